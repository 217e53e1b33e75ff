"""What the screens are about: read from config, journal and media; nothing is drawn here."""
