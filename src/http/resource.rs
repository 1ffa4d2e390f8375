//! A plain route: its spellings and its methods.
//!
//! In: a path and the methods that its handler takes. Out: a resource with and without a trailing slash that answers
//! HEAD like GET, OPTIONS with 204, and every other method with 405; both name the methods in `Allow` (RFC 9110).

use actix_web::{
    HttpRequest, HttpResponse, Resource, Route, guard,
    http::{Method, StatusCode, header},
    web,
};

use super::refusal;

/// The methods of a route.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verbs {
    /// GET and HEAD.
    Read,
    /// POST.
    Post,
}

impl Verbs {
    /// The value of `Allow`.
    pub const fn allow(self) -> &'static str {
        match self {
            Self::Read => "GET, HEAD, OPTIONS",
            Self::Post => "POST, OPTIONS",
        }
    }

    /// A route for these methods.
    pub fn route(self) -> Route {
        match self {
            Self::Read => {
                web::route().guard(guard::Any(guard::Method(Method::GET)).or(guard::Method(Method::HEAD)))
            }
            Self::Post => web::post(),
        }
    }
}

/// The body of a 405.
pub(super) type Refuse = fn(StatusCode, &str) -> HttpResponse;

/// A resource at a path, with and without a trailing slash.
pub(super) fn both(path: &str, verbs: Verbs, refuse: Refuse) -> Resource {
    restricted(web::resource([path.to_owned(), format!("{path}/")]), verbs, refuse)
}

/// A resource at one path.
pub(super) fn one(path: &str, verbs: Verbs) -> Resource {
    restricted(web::resource(path), verbs, detail)
}

/// The error body of most routes.
pub(super) fn detail(status: StatusCode, text: &str) -> HttpResponse {
    refusal::error(status, text, None)
}

fn restricted(resource: Resource, verbs: Verbs, refuse: Refuse) -> Resource {
    let other = move |request: HttpRequest| async move {
        let allow = (header::ALLOW, header::HeaderValue::from_static(verbs.allow()));
        if request.method() == Method::OPTIONS {
            return HttpResponse::NoContent().insert_header(allow).finish();
        }
        let text = format!("{} does not take {}", request.path(), request.method());
        let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, &text);
        response.headers_mut().insert(allow.0, allow.1);
        response
    };
    resource.default_service(web::to(other))
}
