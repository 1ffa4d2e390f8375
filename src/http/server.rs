//! The HTTP server of a node: one listener, one `App` per worker, and around it the takeover of WebSockets.

use std::{io, rc::Rc, sync::Arc, time::Duration};

use actix_http::{HttpService, error::DispatchError};
use actix_server::{Server, ServerHandle};
use actix_service::{Service as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App, HttpRequest, HttpResponse,
    dev::{AppConfig, RequestHead},
    http::{Method, header::HeaderValue},
    middleware::DefaultHeaders,
    web,
};
use arc_swap::ArcSwap;
use tokio::{
    net::{TcpStream, UnixStream},
    sync::watch,
};

use super::{
    admin::{self, Admin},
    body::BodyLimits,
    client::TrustedHops,
    health::{self, Draining},
    listener::{self, Listener, SocketFile},
    page,
    precheck::Precheck,
    proxy::Proxy,
    proxy_protocol::ProxyProtocol,
    publish::{self, PublishGate},
    refusal::not_found,
    resource::{self, Verbs},
    serving::ServingConfig,
    socketio::{EngineIoShared, SocketIoHandler},
    tail,
    unread::SharedBody,
    websocket::WebSocketHandler,
    ws_token,
};
use crate::{
    admission::AdmissionControl,
    auth::Authenticator,
    backend::{Backend, bridge::SharedBridge},
    cluster::{Cluster, Listening},
    config::{Config, Protocol as Spoken},
    hub::{Dispatcher, Registry, Shard},
    presence::Presence,
    protocol::{admission::Admission, background::Background, services::WorkerServices},
    socket::{
        Connections,
        takeover::{self, SocketOptions},
        turn::Answering,
    },
    telemetry::Metrics,
};

/// How long an idle HTTP connection is kept open.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Everything that the routes need from the node.
#[derive(Clone)]
pub struct Services {
    /// The configuration at the start.
    pub config: Arc<Config>,
    /// The part that new connections use; replaced by a reload.
    pub serving: Arc<ArcSwap<ServingConfig>>,
    /// Authenticates connections.
    pub authenticator: Arc<Authenticator>,
    /// The groups of the node.
    pub registry: Arc<Registry>,
    /// Answers calls.
    pub backend: Arc<dyn Backend>,
    /// Runs consumers in Django.
    pub bridge: SharedBridge,
    /// Runs work after a connection has closed.
    pub background: Background,
    /// Counts members.
    pub presence: Arc<dyn Presence>,
    /// The other nodes.
    pub cluster: Arc<Cluster>,
    /// State shared by Engine.IO sessions.
    pub engine: Arc<EngineIoShared>,
    /// The admission limits.
    pub control: Arc<AdmissionControl>,
    /// The source of the workers' deliveries.
    pub dispatcher: Arc<Dispatcher>,
    /// The counters.
    pub metrics: Metrics,
    /// Whether the node is stopping.
    pub draining: Draining,
    /// The period over which the connections are closed; set once, when the drain begins.
    pub drain: watch::Receiver<Option<Duration>>,
    /// Whether the server stops, so that idle connections are closed; set after the drain.
    pub stopping: watch::Receiver<bool>,
    /// Which clients may publish.
    pub publish: Arc<PublishGate>,
    /// The live page, if it is on.
    pub page: Option<page::PageData>,
}

/// A server that runs once it is awaited.
pub struct RunningServer {
    /// The server; resolves when it has stopped.
    pub server: Server,
    /// Stops it.
    pub handle: ServerHandle,
    /// Where it listens.
    pub listening: Listening,
    /// The file of its unix socket, if it made one; to be kept until it has stopped.
    pub file: Option<SocketFile>,
}

/// Starts, on the given listener or on a new one.
pub fn start(services: Services, given: Option<Listener>) -> io::Result<RunningServer> {
    let server = &services.config.server;
    let (listener, file) = match given {
        Some(listener) => (listener, None),
        None => listener::listen(server)?,
    };
    let listening = listener.listening()?;
    let workers = server.worker_threads();
    // The maximum duration of the drain, plus a margin for the last answers; then the rest is cut.
    let patience = server.drain_period.0 + server.drain_grace.0 + Duration::from_secs(2);
    // Handshakes above the limit of connections are answered with 503, so there must be room to answer them.
    let per_worker = server.max_connections.div_ceil(workers) + 1024;
    let admin = Admin::new(
        &services.config,
        Arc::clone(&services.authenticator),
        Arc::clone(&services.cluster),
        Arc::clone(&services.presence),
    );
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(per_worker)
        .shutdown_timeout(patience.as_secs())
        .disable_signals();
    let server = match listener {
        Listener::Tcp(listener) => builder.listen("channelgate", listener, move || worker(&services, &admin, false))?,
        Listener::Unix(listener) => builder.listen_uds("channelgate", listener, move || {
            let converted = |stream: UnixStream| async move { Ok::<_, DispatchError>(listener::as_tcp(stream)?) };
            fn_service(converted).and_then(worker(&services, &admin, true))
        })?,
    };
    let server = server.run();
    Ok(RunningServer { handle: server.handle(), server, listening, file })
}

/// One worker: its shard of the hub, its sweep, its drain, and its services. Called on the worker's own thread. `is_unix`:
/// its clients come through a unix socket.
fn worker(
    services: &Services,
    admin: &Admin,
    is_unix: bool,
) -> impl actix_service::ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()> + use<>
{
    let config = &services.config;
    let Some(receiver) = services.dispatcher.connect() else {
        panic!("a node has at most {} workers, restarted ones included", crate::hub::registry::MAX_WORKERS);
    };
    let shard = Shard::new(&receiver, Arc::clone(&services.registry), services.metrics.clone());
    let connections = Connections::new(&config.socket, &config.server, services.metrics.clone());
    shard.set_connections(Rc::clone(&connections));
    actix_rt::spawn(Rc::clone(&shard).run(receiver));
    actix_rt::spawn(Rc::clone(shard.principals()).run());
    actix_rt::spawn(Rc::clone(&connections).run());
    actix_rt::spawn(drain(services.drain.clone(), Rc::clone(&connections)));
    let stopping = stopping(services.stopping.clone());

    let worker = Rc::new(WorkerServices {
        bridge: Arc::clone(&services.bridge),
        control: Arc::clone(&services.control),
        shard,
        background: services.background.clone(),
        authenticator: Arc::clone(&services.authenticator),
        backend: Arc::clone(&services.backend),
        presence: Arc::clone(&services.presence),
        logins: Rc::default(),
        metrics: services.metrics.clone(),
    });
    let admission = Rc::new(Admission::new(worker));
    let hops = TrustedHops::new(&config.server, is_unix);
    let precheck = Rc::new(Precheck {
        draining: services.draining.clone(),
        control: Arc::clone(&services.control),
        hops: hops.clone(),
    });
    let handlers = Rc::new(Handlers {
        serving: Arc::clone(&services.serving),
        proxy: Proxy {
            hops: hops.clone(),
            draining: services.draining.clone(),
            drain: services.drain.clone(),
            patience: Proxy::PATIENCE,
        },
        socketio: SocketIoHandler::start(
            config,
            &services.engine,
            services.drain.clone(),
            Rc::clone(&admission),
            Rc::clone(&precheck),
            Rc::clone(&connections),
        ),
        websocket: WebSocketHandler { admission, precheck, connections },
    });
    let options = SocketOptions {
        send_buffer: config.socket.send_buffer,
        user_timeout: config.socket.tcp_user_timeout.0,
        linger: config.server.body_timeout.0,
    };
    let before = ProxyProtocol {
        enabled: config.server.proxy_protocol,
        hops,
        deadline: config.server.handshake_timeout.0,
        metrics: services.metrics.clone(),
        options,
    };
    // Upgrade requests and all others use the same App.
    let app = {
        let (services, admin) = (services.clone(), admin.clone());
        move || {
            let (services, admin) = (services.clone(), admin.clone());
            let handlers = Rc::clone(&handlers);
            let app = App::new()
                .wrap_fn(|mut request, service| {
                    detach(request.head_mut());
                    let body = SharedBody::of(&mut request);
                    let answering = Answering::begin();
                    let answer = service.call(request);
                    async move {
                        let _answering = answering;
                        let answer = answer.await?;
                        Ok(match body {
                            None => answer,
                            Some(body) => body.kept_by(answer),
                        })
                    }
                })
                .wrap(DefaultHeaders::new().add(("Server", "channelgate")))
                .configure(move |service| routes(service, services, &admin, handlers));
            map_config(app, |()| AppConfig::default())
        }
    };
    let http = HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(config.server.handshake_timeout.0)
        .tcp_nodelay(true)
        // A client that is gone gets no answer: an abandoned polling request must be noticed at once.
        .h1_allow_half_closed(false)
        // Otherwise a browser that keeps its connection open would hold the stop. Public, but hidden in the documentation
        // of actix-http: its own server uses it.
        .graceful_shutdown_signal(move || {
            let mut stopping = stopping.subscribe();
            async move { drop(stopping.wait_for(|is_stopping| *is_stopping).await) }
        })
        .upgrade(takeover::upgrade(app(), options))
        .h1(app());
    takeover::keep_driving(before.service().and_then(http), options, services.drain.clone())
}

/// Copies the values of a request's headers, which are slices of the read buffer: actix keeps the heads of ended
/// requests, and each head would keep 128 KiB in memory.
fn detach(head: &mut RequestHead) {
    let own = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes()).unwrap_or(HeaderValue::from_static(""));
    head.headers = head.headers.iter().map(|(name, value)| (name.clone(), own(value))).collect();
}

async fn drain(mut begin: watch::Receiver<Option<Duration>>, connections: Rc<Connections>) {
    if let Ok(period) = begin.wait_for(Option::is_some).await.map(|period| *period)
        && let Some(period) = period
    {
        connections.drain(period).await;
    }
}

/// The node's signal for one worker, on a channel of its own: its many subscribers are not in the way of other workers.
fn stopping(mut node: watch::Receiver<bool>) -> watch::Sender<bool> {
    let worker = watch::Sender::new(false);
    let sender = worker.clone();
    actix_rt::spawn(async move {
        let _ = node.wait_for(|is_stopping| *is_stopping).await;
        sender.send_replace(true);
    });
    worker
}

/// The handlers of the configured paths. One per worker.
struct Handlers {
    serving: Arc<ArcSwap<ServingConfig>>,
    proxy: Proxy,
    websocket: WebSocketHandler,
    socketio: SocketIoHandler,
}

/// Every request without another route: the endpoints of the configuration, the server behind, or 404.
async fn serve(request: HttpRequest, payload: web::Payload, handlers: web::Data<Rc<Handlers>>) -> HttpResponse {
    let serving = handlers.serving.load_full();
    let Some((endpoint, route)) = serving.endpoints.route(request.path()) else {
        return match &serving.proxy {
            // Boxed: an ordinary connection must not carry a future with all this state.
            Some(upstream) => Box::pin(handlers.proxy.serve(upstream, &request, payload)).await,
            None => not_found(&request),
        };
    };
    match endpoint.protocol() {
        Spoken::WebSocket => handlers.websocket.serve(&serving, &request, endpoint, route).await,
        Spoken::EngineIo | Spoken::SocketIo => {
            handlers.socketio.serve(&serving, &request, payload, endpoint, route).await
        }
    }
}

/// A page of an allowed origin may read the answer.
async fn token(
    request: HttpRequest,
    handlers: web::Data<Rc<Handlers>>,
    authenticator: web::Data<Authenticator>,
    metrics: web::Data<Metrics>,
) -> HttpResponse {
    let mut response = ws_token::get(&request, &authenticator, &metrics).await;
    handlers.serving.load().token_cors.add(&request, &mut response);
    response
}

/// `OPTIONS` of the route, and a browser's preflight request.
async fn token_options(request: HttpRequest, handlers: web::Data<Rc<Handlers>>) -> HttpResponse {
    handlers.serving.load().token_cors.options(&request, Verbs::Read.allow())
}

fn routes(service: &mut web::ServiceConfig, services: Services, admin: &Admin, handlers: Rc<Handlers>) {
    let bodies = BodyLimits::new(services.config.api.max_body, &services.config);
    let serving = services.serving;
    service
        .app_data(web::Data::from(services.registry))
        .app_data(web::Data::from(services.authenticator))
        .app_data(web::Data::from(services.publish))
        .app_data(web::Data::from(services.cluster))
        .app_data(web::Data::new(admin.clone()))
        .app_data(web::Data::new(services.draining))
        .app_data(web::Data::new(health::StuckAfter(services.config.server.stuck_after.0)))
        .app_data(web::Data::new(services.metrics))
        .app_data(web::Data::new(services.drain))
        .app_data(web::Data::new(handlers));
    let get = Verbs::Read;
    resource::register(service, "/health/live", get, |route| route.route(get.route().to(health::live)));
    resource::register(service, "/health/ready", get, |route| route.route(get.route().to(health::ready)));
    resource::register(service, "/metrics", get, |route| route.route(get.route().to(health::metrics)));
    resource::register(service, "/api/tail", get, |route| resource::counted(route.route(get.route().to(tail::tail))));
    resource::register(service, "/api/user/ws-token", get, |route| {
        let options = web::method(Method::OPTIONS).to(token_options);
        resource::counted(route.route(get.route().to(token)).route(options))
    });
    resource::register(service, "/api/publish", Verbs::Post, |route| {
        let route = route.app_data(web::Data::new(bodies)).route(Verbs::Post.route().to(publish::publish));
        resource::counted(route)
    });
    admin::configure(service, admin);
    if let Some(page) = services.page {
        page::configure(service, page, move || serving.load().proxy.is_none());
    }
    service.default_service(web::route().to(serve));
}
