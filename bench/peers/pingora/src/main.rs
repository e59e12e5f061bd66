//! Forwards every request to one origin, with upstream keep-alive and nothing else:
//! what Pingora costs before anybody adds a phase of their own.
//!
//! Usage: bench-pingora LISTEN_PORT ORIGIN_PORT THREADS [h2c]

use async_trait::async_trait;
use pingora::apps::HttpServerOptions;
use pingora::prelude::*;
use pingora::server::configuration::ServerConf;

struct Forward {
    origin: (&'static str, u16),
}

#[async_trait]
impl ProxyHttp for Forward {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.origin, false, String::new())))
    }
}

fn argument(index: usize) -> u16 {
    std::env::args()
        .nth(index)
        .and_then(|text| text.parse().ok())
        .expect("usage: bench-pingora LISTEN_PORT ORIGIN_PORT THREADS [h2c]")
}

fn main() {
    let conf = ServerConf {
        threads: argument(3) as usize,
        upstream_keepalive_pool_size: 1024,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();

    let forward = Forward { origin: ("127.0.0.1", argument(2)) };
    let mut service = http_proxy_service(&server.configuration, forward);
    if std::env::args().nth(4).as_deref() == Some("h2c") {
        // Only then: it makes each connection's first bytes be looked at, which HTTP/1 does without.
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        if let Some(logic) = service.app_logic_mut() {
            logic.server_options = Some(options);
        }
    }
    service.add_tcp(&format!("127.0.0.1:{}", argument(1)));
    server.add_service(service);
    server.run_forever();
}
