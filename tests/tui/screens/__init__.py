"""Tests of tui.screens: one screen each, with what it shows and which keys it takes."""
