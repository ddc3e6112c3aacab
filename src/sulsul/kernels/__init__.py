"""The recurrence on the CPU: arrays in, arrays out. No torch, no text, no files."""
