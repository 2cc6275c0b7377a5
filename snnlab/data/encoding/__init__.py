"""Encoders: cochlea model and log-mel features of sound, events of images and videos."""
