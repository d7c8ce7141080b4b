//! The client against a real HTTP server on this machine, by names that a resolver of the test makes up.

use std::{
    collections::VecDeque,
    io::ErrorKind,
    net::{IpAddr, SocketAddr, TcpListener},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use poem::{
    EndpointExt, Route, Server, handler,
    listener::{Acceptor, Listener, TcpListener as PoemListener},
    post,
    web::Data,
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::*;

/// Answers with these lists of addresses in turn, the last one for ever.
#[derive(Clone)]
struct Names(Arc<Mutex<VecDeque<Vec<IpAddr>>>>, Arc<AtomicUsize>);

impl Names {
    fn new(answers: &[&[&str]]) -> Self {
        let addresses = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        Self(Arc::new(Mutex::new(answers.iter().map(addresses).collect())), Arc::default())
    }

    /// Number of requests.
    fn asked(&self) -> usize {
        self.1.load(Ordering::SeqCst)
    }
}

impl Resolve for Names {
    fn resolve(&self, _: Name) -> Resolving {
        self.1.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        // A resolver's own port counts for nothing.
        let found = answer.unwrap_or_default().into_iter().map(|ip| SocketAddr::new(ip, 1));
        Box::pin(std::future::ready(Ok(Box::new(found) as Addrs)))
    }
}

/// The rules of production, but for plain HTTP to this machine and short limits.
fn local() -> Rules {
    Rules {
        plain_http: true,
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        total_timeout: Duration::from_secs(10),
        ..Rules::default()
    }
}

fn client(rules: Rules, names: &Names) -> Outbound {
    Outbound::with_names(rules, Arc::new(names.clone())).unwrap()
}

/// Counts the requests that a server has seen.
type Visits = Arc<AtomicUsize>;

#[allow(clippy::needless_pass_by_value, reason = "extractors give values")]
#[handler]
fn echo(Data(visits): Data<&Visits>, headers: &HeaderMap, body: String) -> String {
    visits.fetch_add(1, Ordering::SeqCst);
    let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    format!("{}|{}|{body}", header("host"), header("webhook-id"))
}

#[handler]
fn redirect() -> poem::Response {
    poem::Response::builder().status(StatusCode::TEMPORARY_REDIRECT).header("location", "/echo").finish()
}

#[handler]
fn endless() -> poem::Body {
    poem::Body::from_bytes_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1000]))))
}

#[handler]
fn stalling() -> poem::Body {
    let beginning = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"so far"))]);
    poem::Body::from_bytes_stream(beginning.chain(stream::pending()))
}

#[handler]
async fn silent() -> String {
    std::future::pending().await
}

/// Starts a server on 127.0.0.1; returns its port and how many requests `/echo` has seen.
async fn server() -> (u16, Visits) {
    let visits = Visits::default();
    let routes = Route::new()
        .at("/echo", post(echo))
        .at("/redirect", post(redirect))
        .at("/endless", post(endless))
        .at("/stalling", post(stalling))
        .at("/silent", post(silent))
        .data(Arc::clone(&visits));
    let acceptor = PoemListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
    let port = acceptor.local_addr()[0].as_socket_addr().unwrap().port();
    tokio::spawn(Server::new_with_acceptor(acceptor).run(routes));
    (port, visits)
}

async fn send(outbound: &Outbound, address: &str) -> Result<Answer, OutboundError> {
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", "msg_1".parse().unwrap());
    outbound.post(address, headers, Bytes::from_static(b"{}")).await
}

const LOCAL: &[&[&str]] = &[&["127.0.0.1"]];

#[tokio::test]
async fn a_message_arrives_as_it_is() {
    let (port, visits) = server().await;
    let names = Names::new(LOCAL);
    let outbound = client(local(), &names);
    for sent in 1..=3 {
        let answer = send(&outbound, &format!("http://hooks.example.com:{port}/echo")).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        let expected = format!("hooks.example.com:{port}|msg_1|{{}}");
        assert_eq!((answer.body.as_ref(), answer.cut), (expected.as_bytes(), false));
        assert_eq!(names.asked(), sent, "each request resolves once: no more, and none is spared by an old connection");
    }
    assert_eq!(visits.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn the_environment_names_no_proxy() {
    // The test above, in a process whose environment names a proxy that is not there.
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "outbound::tests::a_message_arrives_as_it_is"])
        .envs(["http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"].map(|name| (name, "http://127.0.0.1:1")))
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}

/// Addresses that are refused before anything is resolved, and how each is spelled.
const REFUSED: &[(&str, OutboundError)] = &[
    ("", OutboundError::Invalid),
    ("example.com", OutboundError::Invalid),
    ("https://", OutboundError::Invalid),
    ("https://exam ple.com/", OutboundError::Invalid),
    (" https://example.com/", OutboundError::Invalid),
    ("https://exam\tple.com/", OutboundError::Invalid),
    ("https://example.com/\r\nX-Header: 1", OutboundError::Invalid),
    ("https://256.256.256.256/", OutboundError::Invalid),
    ("https://example.com:99999/", OutboundError::Invalid),
    ("https://[fe80::1%25eth0]/", OutboundError::Invalid),
    ("http://example.com/", OutboundError::Scheme),
    ("ftp://example.com/", OutboundError::Scheme),
    ("file:///etc/passwd", OutboundError::Scheme),
    ("gopher://127.0.0.1:6379/_INFO", OutboundError::Scheme),
    ("unix:///var/run/docker.sock", OutboundError::Scheme),
    ("https://user@example.com/", OutboundError::Credentials),
    ("https://user:password@example.com/", OutboundError::Credentials),
    ("https://example.com@127.0.0.1/", OutboundError::Credentials),
    ("https://example.com:443@127.0.0.1/", OutboundError::Credentials),
    ("https://example.com:80/", OutboundError::Port),
    ("https://example.com:0/", OutboundError::Port),
    ("https://example.com:22/", OutboundError::Port),
    ("https://example.com:25/", OutboundError::Port),
    ("https://example.com:6667/", OutboundError::Port),
    ("https://127.0.0.1/", OutboundError::NotPublic),
    ("https://127.0.0.1./", OutboundError::NotPublic),
    ("https://127.1/", OutboundError::NotPublic),
    ("https://2130706433/", OutboundError::NotPublic),
    ("https://0x7f000001/", OutboundError::NotPublic),
    ("https://0x7f.0.0.0x1/", OutboundError::NotPublic),
    ("https://0177.0.0.1/", OutboundError::NotPublic),
    ("https://017700000001/", OutboundError::NotPublic),
    ("https://0/", OutboundError::NotPublic),
    ("https://%31%32%37.0.0.1/", OutboundError::NotPublic),
    ("https://１２７.0.0.1/", OutboundError::NotPublic),
    ("https://①②⑦.⓪.⓪.①/", OutboundError::NotPublic),
    ("https://127。0。0。1/", OutboundError::NotPublic),
    ("https:\\\\127.0.0.1\\", OutboundError::NotPublic),
    ("https:127.0.0.1", OutboundError::NotPublic),
    ("https://169.254.169.254/latest/meta-data/", OutboundError::NotPublic),
    ("https://2852039166/", OutboundError::NotPublic),
    ("https://0xA9FEA9FE/", OutboundError::NotPublic),
    ("https://10.0.0.1:8443/", OutboundError::NotPublic),
    ("https://[::]/", OutboundError::NotPublic),
    ("https://[::1]/", OutboundError::NotPublic),
    ("https://[0:0:0:0:0:0:0:1]:8443/", OutboundError::NotPublic),
    ("https://[::127.0.0.1]/", OutboundError::NotPublic),
    ("https://[::ffff:127.0.0.1]/", OutboundError::NotPublic),
    ("https://[::ffff:7f00:1]/", OutboundError::NotPublic),
    ("https://[64:ff9b::169.254.169.254]/", OutboundError::NotPublic),
    ("https://[2002:7f00:1::]/", OutboundError::NotPublic),
    ("https://[fd00:ec2::254]/", OutboundError::NotPublic),
];

#[tokio::test]
async fn no_spelling_of_an_address_is_let_through() {
    let names = Names::new(LOCAL);
    let outbound = client(Rules::default(), &names);
    for (address, refusal) in REFUSED {
        assert_eq!(outbound.check(address).await, Err(*refusal), "registering {address:?}");
        assert_eq!(send(&outbound, address).await.unwrap_err(), *refusal, "sending to {address:?}");
        assert!(refusal.is_refusal());
    }
    assert_eq!(names.asked(), 0, "none of them has a name to resolve");
    // Names of this machine, and any other that means it.
    for address in ["https://localhost/", "https://localhost./", "https://LOCALHOST/", "https://loopback.example.com/"]
    {
        assert_eq!(outbound.check(address).await, Err(OutboundError::NotPublic), "registering {address:?}");
        assert_eq!(send(&outbound, address).await.unwrap_err(), OutboundError::NotPublic, "sending to {address:?}");
    }
}

#[tokio::test]
async fn what_is_registered_has_one_form() {
    let outbound = client(Rules::default(), &Names::new(&[&["1.1.1.1", "2606:4700:4700::1111"]]));
    for (address, form) in [
        ("HTTPS://Hooks.Example.com:443/a?b=c", "https://hooks.example.com/a?b=c"),
        ("https://hooks.example.com:8443", "https://hooks.example.com:8443/"),
        ("https://0x01010101/", "https://1.1.1.1/"),
        ("https://[2606:4700:4700:0::1111]/", "https://[2606:4700:4700::1111]/"),
        ("https://münchen.example/", "https://xn--mnchen-3ya.example/"),
    ] {
        assert_eq!(outbound.check(address).await.map(String::from), Ok(form.to_owned()));
    }
    let nobody = client(Rules::default(), &Names::new(&[&[]]));
    assert_eq!(nobody.check("https://hooks.example.com/").await, Err(OutboundError::Unresolved));
    assert_eq!(send(&nobody, "https://hooks.example.com/").await.unwrap_err(), OutboundError::Unresolved);
}

#[tokio::test]
async fn the_operating_system_knows_names() {
    let (port, _) = server().await;
    let address = format!("http://localhost:{port}/echo");
    let mut rules = local();
    rules.networks.push("::1/128".parse().unwrap());
    assert_eq!(send(&Outbound::new(rules).unwrap(), &address).await.unwrap().status, StatusCode::OK);
    let strict = Outbound::new(Rules { plain_http: true, ..Rules::default() }).unwrap();
    assert_eq!(send(&strict, &address).await.unwrap_err(), OutboundError::NotPublic);
}

/// A socket that would take a connection.
struct Trap(TcpListener);

impl Trap {
    fn new() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        Self(socket)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    fn is_untouched(&self) -> bool {
        // The kernel takes connections for it, so that one would wait here.
        self.0.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

#[tokio::test]
async fn a_name_that_changes_its_meaning_is_refused_at_the_connection() {
    let trap = Trap::new();
    let names = Names::new(&[&["1.1.1.1"], &["127.0.0.1"]]);
    let outbound = client(Rules { plain_http: true, ..Rules::default() }, &names);
    let address = format!("http://rebinding.example.com:{}/", trap.port());
    outbound.check(&address).await.expect("it is a public host when it is registered");
    assert_eq!(send(&outbound, &address).await.unwrap_err(), OutboundError::NotPublic);
    assert!(trap.is_untouched(), "the client connected to an address that it was to refuse");
}

#[tokio::test]
async fn one_bad_address_among_all_refuses_the_host() {
    let trap = Trap::new();
    for addresses in [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "::ffff:127.0.0.1"]] {
        let outbound = client(local(), &Names::new(&[&addresses]));
        let address = format!("http://hooks.example.com:{}/", trap.port());
        assert_eq!(outbound.check(&address).await, Err(OutboundError::NotPublic), "{addresses:?}");
        assert_eq!(send(&outbound, &address).await.unwrap_err(), OutboundError::NotPublic, "{addresses:?}");
    }
    assert!(trap.is_untouched(), "the client connected to a host that it was to refuse");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let (port, visits) = server().await;
    let outbound = client(local(), &Names::new(LOCAL));
    let answer = send(&outbound, &format!("http://127.0.0.1:{port}/redirect")).await.unwrap();
    assert_eq!(
        (answer.status, &answer.headers["location"]),
        (StatusCode::TEMPORARY_REDIRECT, &"/echo".parse().unwrap())
    );
    assert_eq!(visits.load(Ordering::SeqCst), 0, "the client followed a redirect");
}

#[tokio::test]
async fn a_body_without_an_end_is_cut() {
    let (port, _) = server().await;
    let outbound = client(Rules { body_limit: 2500, ..local() }, &Names::new(LOCAL));
    let answer = send(&outbound, &format!("http://127.0.0.1:{port}/endless")).await.unwrap();
    assert_eq!((answer.body.len(), answer.cut), (2500, true));
    let shown = format!("{answer:?}");
    assert!(!shown.contains("xxx"), "what hosts answer is in no log: {shown}");
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let (port, _) = server().await;
    let outbound = client(Rules { total_timeout: Duration::from_millis(200), ..local() }, &Names::new(LOCAL));
    for path in ["silent", "stalling"] {
        let sent = send(&outbound, &format!("http://127.0.0.1:{port}/{path}")).await;
        assert_eq!(sent.unwrap_err(), OutboundError::Timeout, "{path}");
    }
}

#[tokio::test]
async fn hosts_that_do_not_answer_are_told_apart() {
    let (port, visits) = server().await;
    let outbound = client(local(), &Names::new(LOCAL));
    // The server's port on an address that it does not listen on.
    let sent = send(&outbound, &format!("http://127.0.0.2:{port}/echo")).await;
    assert_eq!(sent.unwrap_err(), OutboundError::Unreachable);
    // A server without TLS.
    let sent = send(&outbound, &format!("https://127.0.0.1:{port}/echo")).await;
    assert_eq!(sent.unwrap_err(), OutboundError::Tls);
    assert_eq!(visits.load(Ordering::SeqCst), 0, "nothing is sent in the clear where TLS was asked for");
    // One that hangs up.
    let rude = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = rude.local_addr().unwrap();
    let hangs_up = tokio::spawn(async move { drop(rude.accept().await.unwrap()) });
    assert_eq!(send(&outbound, &format!("http://{address}/")).await.unwrap_err(), OutboundError::Broken);
    hangs_up.await.unwrap();
}
