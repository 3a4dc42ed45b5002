"""A backend for Gemini, in AI Studio and in Vertex AI."""
