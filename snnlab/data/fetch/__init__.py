"""Download, unpacking and checks of published data sets."""
