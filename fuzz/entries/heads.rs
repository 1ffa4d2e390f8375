//! The head of a request: where a credential may be, whether the page may ask, which session is meant.

use std::time::SystemTime;

use channelgate::{
    auth::{OriginPolicy, RequestHead, credential, jwt::Verifier},
    config::{Auth, Secret, TokenSource},
    protocol::{self, engineio::Sid},
};

/// The key of the tokens of the corpus.
const KEY: &str = "a-key-of-the-corpus-that-is-long-enough";

/// Lines: query, Authorization, Cookie, Sec-WebSocket-Protocol, Origin, Host, path; missing ones are not sent.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let query = lines.next().unwrap_or_default();
    let (authorization, cookie, subprotocols) = (lines.next(), lines.next(), lines.next().unwrap_or_default());
    let (origin, host, path) = (lines.next(), lines.next(), lines.next().unwrap_or("/"));
    let cookie = cookie.into_iter().map(Into::into).collect();
    let head =
        RequestHead { query, authorization, cookie, subprotocols: subprotocols.into(), origin, host, headers: None };

    let auth = Auth { secret_key: Some(Secret::new(KEY)), ..Auth::default() };
    let verifier = Verifier::new(&auth).expect("a key").expect("a verifier");
    for source in ["query:token", "header", "cookie:token", "subprotocol", "subprotocol:token"] {
        let source = TokenSource::parse(source).expect("a source");
        if let Some(found) = source.find(&head) {
            assert!(!found.token.is_empty(), "an empty credential is none");
            let _ = credential::looks_like_jwt(&found.token);
            if verifier.identify_offline(&found.token, SystemTime::UNIX_EPOCH).is_ok() {
                assert!(credential::looks_like_jwt(&found.token), "what is verified looks like it");
            }
        }
    }

    let open = OriginPolicy::new(Some(&["*".to_owned()]));
    let own = OriginPolicy::new(None);
    let listed = OriginPolicy::new(Some(&[".example.org".to_owned(), "[::1]".to_owned()]));
    assert!(open.allows(origin, host), "with * every origin passes");
    if own.allows(origin, None) {
        assert!(origin.is_none(), "without a Host no page is of the same one");
    }
    let _ = listed.allows(origin, host);

    let _ = protocol::query(query);
    if let Some(sid) = Sid::parse(path) {
        assert_eq!(Sid::parse(&sid.text()).map(|again| again.text()), Some(sid.text()));
    }
}
