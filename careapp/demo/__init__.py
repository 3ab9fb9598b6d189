"""The demo clinic: invented people and a believable week, made through the same commands that people use."""
