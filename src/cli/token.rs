//! `channelgate token`: a token for a test, printed alone on standard output.
