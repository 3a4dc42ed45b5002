"""The backend `local`: a language model inside this process."""
