"""What a run leaves for its reader: the record, drawings, the verdict, one HTML page and tables for the terminal."""
