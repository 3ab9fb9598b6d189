"""The fault suite itself: its judge can fail, its proxy misbehaves as told, and a short run of all of it."""
