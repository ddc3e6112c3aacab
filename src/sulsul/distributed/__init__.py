"""One job on several processes or machines: workers started here, by ``torchrun``, or on a Ray cluster."""
