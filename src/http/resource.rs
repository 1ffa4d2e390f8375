//! A plain route: its spellings and its methods.
//!
//! In: a path and the methods that its handler takes. Out: a resource with and without a trailing slash that answers
//! HEAD like GET, OPTIONS with 204, and every other method with 405; both name the methods in `Allow` (RFC 9110).

use actix_service::{Service as _, ServiceFactory};
use actix_web::{
    Error, HttpRequest, HttpResponse, Resource, Route,
    dev::{HttpServiceFactory, ServiceRequest, ServiceResponse},
    guard,
    http::{Method, StatusCode, header},
    web,
};

use super::refusal;
use crate::{telemetry::Metrics, warn_bounded};

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
            Self::Read => web::route().guard(guard::Any(guard::Method(Method::GET)).or(guard::Method(Method::HEAD))),
            Self::Post => web::post(),
        }
    }
}

/// The body of a 405.
pub(super) type Refuse = fn(StatusCode, &str) -> HttpResponse;

/// A resource of a scope at a path, with and without a trailing slash. The two are one regular expression.
pub(super) fn both(path: &str, verbs: Verbs, refuse: Refuse) -> Resource {
    restricted(web::resource([path.to_owned(), format!("{path}/")]), verbs, refuse)
}

/// Registers a resource at a path, and at that with a trailing slash. Each is a text of its own: every handshake passes
/// these routes, and regular expressions would be an eighth of its work.
pub(super) fn register<R: HttpServiceFactory + 'static>(
    service: &mut web::ServiceConfig,
    path: &str,
    verbs: Verbs,
    build: impl Fn(Resource) -> R,
) {
    for spelling in [path.to_owned(), format!("{path}/")] {
        service.service(build(one(&spelling, verbs)));
    }
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

/// The same resource; its refusals are counted, and the log says what to change.
pub(super) fn counted(
    resource: Resource,
) -> Resource<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()> + 'static,
> {
    resource.wrap_fn(|request, service| {
        let answer = service.call(request);
        async move {
            let answer = answer.await?;
            count(&answer);
            Ok(answer)
        }
    })
}

fn count(answer: &ServiceResponse) {
    let (request, status) = (answer.request(), answer.status());
    let reason = match status.as_u16() {
        ..=399 => return,
        400 | 402 | 406 | 407 | 409..=412 | 414..=428 | 430..=499 => "bad_request",
        401 => "credentials",
        403 => "forbidden",
        404 | 405 => "method",
        408 => "timeout",
        413 => "too_large",
        429 => "too_many",
        500.. => "unavailable",
    };
    if let Some(metrics) = request.app_data::<web::Data<Metrics>>() {
        metrics.refused_request(reason);
    }
    let what = || format!("{} {}", request.method(), request.match_pattern().unwrap_or_default());
    // Each has its own bound, so that a storm of one does not hide another.
    match reason {
        "credentials" => warn_bounded!(
            "{} is refused with 401: send Authorization: Bearer, with the value of CHANNELGATE_API_KEY or a valid access token",
            what()
        ),
        "forbidden" => warn_bounded!(
            "{} is refused with 403: the token's role is not in api.admin_roles, a page of another site asks, or \
             CHANNELGATE_API_KEY is not set",
            what()
        ),
        "too_large" => warn_bounded!("{} is refused with 413: send less at once, or raise api.max_body", what()),
        "unavailable" => warn_bounded!("{} is refused with {status}: Redis is away, or a key is not set", what()),
        _ => log::debug!("{} is refused with {status}", what()),
    }
}
