"""TypeScript types of a project's events: from the templates of channelgate.toml to the text of a file."""
