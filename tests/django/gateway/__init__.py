"""Answers Channelgate's calls, over HTTP or as a worker. Copy this folder to answer them in your project."""
