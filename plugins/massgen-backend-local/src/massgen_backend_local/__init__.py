"""The backend `local`: a language model on this machine."""
