"""What Channelgate asks this project, over HTTP or through a worker. Copy this folder to answer it in yours."""
