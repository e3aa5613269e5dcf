//! Registries that are hostile to whoever logs in.

use super::*;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that answers as it likes, and remembers what it was asked.
struct Peer {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Answers each request, by its head, with what the function gives: the answer's head without the last
    /// line break, and its body; none for a body without end.
    async fn new(
        answer: impl Fn(&str) -> (String, Option<String>) + Send + Sync + 'static,
    ) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (answer, hears) = (Arc::new(answer), heard.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, hears) = (answer.clone(), hears.clone());
                tokio::spawn(async move {
                    let _ = talk(stream, &*answer, &hears).await;
                });
            }
        });
        Peer { port, heard }
    }

    fn reference(&self) -> Reference {
        let text = format!("127.0.0.1:{}/ada/reviewer:1", self.port);
        text.parse().expect("a reference")
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no panic").clone()
    }
}

/// One request, one answer. An error says that the other side hung up.
async fn talk(
    mut stream: TcpStream,
    answer: &(impl Fn(&str) -> (String, Option<String>) + Send + Sync),
    heard: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    heard.lock().expect("no panic").push(head.clone());
    let (first, body) = answer(&head);
    let first = format!("HTTP/1.1 {first}\r\nConnection: close\r\n\r\n");
    stream.write_all(first.as_bytes()).await?;
    match body {
        Some(body) => stream.write_all(body.as_bytes()).await,
        None => loop {
            stream.write_all(&[b' '; 4_096]).await?;
        },
    }
}

fn ada() -> Login {
    Login::Password("ada".to_owned(), "open sesame".to_owned())
}

/// `ada:open sesame` in base64.
const SECRET: &str = "YWRhOm9wZW4gc2VzYW1l";

fn asks(realm: &str) -> (String, Option<String>) {
    let head =
        format!("401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"{realm}\",service=\"tests\"");
    (head, Some(String::new()))
}

fn ok(body: &str) -> (String, Option<String>) {
    ("200 OK".to_owned(), Some(body.to_owned()))
}

fn refusal<T>(result: Result<T, RegistryError>) -> RegistryError {
    result.err().expect("it is refused")
}

#[tokio::test]
async fn a_password_never_follows_a_realm_in_the_open_to_another_host() {
    let thief = Peer::new(|_| ok(r#"{"token": "t"}"#)).await;
    let realm = format!("http://localhost:{}/token", thief.port);
    let registry = Peer::new(move |_| asks(&realm)).await;
    let (reference, options) = (registry.reference(), RegistryOptions::default());
    let error = refusal(Wire::open(&reference, &options, ada(), "pull").await);
    assert!(matches!(error, RegistryError::InTheOpen { .. }), "{error}");
    assert!(error.to_string().contains("not encrypted"), "{error}");
    assert!(thief.heard().is_empty(), "{:?}", thief.heard());

    // Nor a redirect, with which the right place passes it on.
    let elsewhere = format!(
        "307 Temporary Redirect\r\nLocation: http://localhost:{}/token",
        thief.port
    );
    let tokens = Peer::new(move |_| (elsewhere.clone(), Some(String::new()))).await;
    let realm = format!("http://127.0.0.1:{}/token", tokens.port);
    let registry = Peer::new(move |_| asks(&realm)).await;
    let reference = registry.reference();
    let error = refusal(Wire::open(&reference, &options, ada(), "pull").await);
    assert!(error.to_string().contains("not encrypted"), "{error}");
    assert_eq!(tokens.heard().len(), 1);
    assert!(thief.heard().is_empty(), "{:?}", thief.heard());
    assert!(registry.heard().iter().all(|head| !head.contains(SECRET)));
}

#[tokio::test]
async fn a_login_goes_to_the_registrys_own_host_and_its_token_to_the_registry() {
    let tokens = Peer::new(|_| ok(r#"{"access_token": "good"}"#)).await;
    let realm = format!("http://127.0.0.1:{}/token?a=b", tokens.port);
    let registry = Peer::new(move |head| match head.contains("Bearer good") {
        true => ok("fine"),
        false => asks(&realm),
    })
    .await;
    let (reference, options) = (registry.reference(), RegistryOptions::default());
    let wire = Wire::open(&reference, &options, ada(), "pull,push").await;
    let wire = wire.expect("it logs in");
    let [asked] = &tokens.heard()[..] else {
        panic!("{:?}", tokens.heard());
    };
    assert!(asked.contains(SECRET), "{asked}");
    let query = "/token?a=b&scope=repository%3Aada%2Freviewer%3Apull%2Cpush&service=tests ";
    assert!(asked.contains(query), "{asked}");
    let request = wire.request(Method::GET, "manifests/1").expect("a request");
    let response = wire.send(request).await.expect("the token is shown");
    let body = wire.take(response, Answer::Manifest, |_| {}).await;
    assert_eq!(body.expect("an answer"), b"fine");
}

#[tokio::test]
async fn where_content_goes_elsewhere_the_login_stays() {
    let store = Peer::new(|_| ("201 Created".to_owned(), Some(String::new()))).await;
    let place = format!("http://127.0.0.1:{}/upload?x=1", store.port);
    let leads = format!("202 Accepted\r\nLocation: {place}");
    let moved = format!("307 Temporary Redirect\r\nLocation: {place}");
    let registry = Peer::new(move |head| {
        let first = match () {
            () if head.starts_with("POST") => leads.clone(),
            () if head.contains("/blobs/") => moved.clone(),
            () => "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"".to_owned(),
        };
        (first, Some(String::new()))
    })
    .await;
    let (reference, options) = (registry.reference(), RegistryOptions::default());
    let wire = Wire::open(&reference, &options, ada(), "pull,push").await;
    let wire = wire.expect("it logs in");
    wire.upload("wasm", "sha256:00").await.expect("uploaded");
    let request = wire.request(Method::GET, "blobs/x").expect("a request");
    wire.send(request).await.expect("it is elsewhere");
    let heard = store.heard();
    assert!(
        heard[0].starts_with("PUT /upload?x=1&digest=sha256%3A00 "),
        "{heard:?}"
    );
    assert_eq!(heard.len(), 2);
    assert!(
        heard
            .iter()
            .all(|head| !head.to_lowercase().contains("authorization")),
        "{heard:?}"
    );
    assert!(
        registry
            .heard()
            .iter()
            .skip(1)
            .all(|head| head.contains(SECRET))
    );

    // Not even that where it is not encrypted and nobody has named it.
    let leads = format!(
        "202 Accepted\r\nLocation: http://localhost:{}/upload",
        store.port
    );
    let registry = Peer::new(move |_| (leads.clone(), Some(String::new()))).await;
    let reference = registry.reference();
    let wire = Wire::open(&reference, &options, Login::Nobody, "push").await;
    let wire = wire.expect("it asks for nothing");
    let error = refusal(wire.upload("wasm", "sha256:00").await);
    assert!(matches!(error, RegistryError::InTheOpen { .. }), "{error}");
    assert_eq!(store.heard().len(), 2);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off_whatever_it_is() {
    let options = RegistryOptions {
        max_manifest: 20_000,
        max_answer: 10_000,
        ..RegistryOptions::default()
    };
    let tokens = Peer::new(|_| ("200 OK".to_owned(), None)).await;
    let realm = format!("http://127.0.0.1:{}/token", tokens.port);
    let registry = Peer::new(move |_| asks(&realm)).await;
    let reference = registry.reference();
    let error = refusal(Wire::open(&reference, &options, Login::Nobody, "pull").await).to_string();
    assert!(
        error.contains("a token of more than 10000 bytes"),
        "{error}"
    );
    assert!(error.contains("`max_answer`"), "{error}");

    let registry = Peer::new(|head| match () {
        () if head.contains("/long") => ("200 OK".to_owned(), None),
        () if head.contains("/said") => {
            let first = "200 OK\r\nContent-Length: 20001".to_owned();
            (first, Some(String::new()))
        }
        () if head.contains("/whole") => ok(&"x".repeat(20_000)),
        () if head.contains("/refused") => ("500 Internal Server Error".to_owned(), None),
        () => ok(""),
    })
    .await;
    let reference = registry.reference();
    let wire = Wire::open(&reference, &options, Login::Nobody, "pull").await;
    let wire = wire.expect("it asks for nothing");
    let get = async |place: &str| {
        let request = wire.request(Method::GET, place)?;
        let response = wire.send(request).await?;
        wire.take(response, Answer::Manifest, |_| {}).await
    };
    for place in ["manifests/long", "manifests/said"] {
        let error = refusal(get(place).await).to_string();
        assert!(
            error.contains("a manifest of more than 20000 bytes"),
            "{error}"
        );
        assert!(error.contains("`max_manifest`"), "{error}");
    }
    assert_eq!(
        get("manifests/whole").await.expect("the limit").len(),
        20_000
    );
    let error = refusal(get("manifests/refused").await).to_string();
    assert!(error.contains("500"), "{error}");
    let request = wire.request(Method::GET, "blobs/long").expect("a request");
    let response = wire.send(request).await.expect("it begins");
    let error = refusal(wire.take(response, Answer::Blob(5_000), |_| {}).await);
    assert!(
        matches!(
            error,
            RegistryError::LongerThanSaid {
                announced: 5_000,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_login_in_the_open_goes_through_no_proxy() {
    let proxy = Peer::new(|_| ok(r#"{"token": "good"}"#)).await;
    let at = format!("http://127.0.0.1:{}", proxy.port);
    // The proxy is the environment's, so it takes a process of its own: one that does the test above.
    let test = concat!(
        module_path!(),
        "::a_login_goes_to_the_registrys_own_host_and_its_token_to_the_registry"
    );
    let test = test.split_once("::").expect("a module of a crate").1;
    let mut other = tokio::process::Command::new(std::env::current_exe().expect("this one"));
    other.args(["--exact", test]);
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        other.env(variable, &at);
    }
    for variable in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        other.env_remove(variable);
    }
    let done = other.output().await.expect("it runs");
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(told.contains("1 passed"), "{told}");
    assert!(proxy.heard().is_empty(), "{:?}", proxy.heard());
}

#[tokio::test]
async fn an_address_with_a_secret_is_told_by_its_host() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = nobody.local_addr().expect("an address").port();
    drop(nobody);
    let place = format!("http://127.0.0.1:{port}/upload?X-Signature=secret");
    let leads = format!("202 Accepted\r\nLocation: {place}");
    let registry = Peer::new(move |_| (leads.clone(), Some(String::new()))).await;
    let (reference, options) = (registry.reference(), RegistryOptions::default());
    let wire = Wire::open(&reference, &options, Login::Nobody, "push").await;
    let wire = wire.expect("it asks for nothing");
    let error = refusal(wire.upload("wasm", "sha256:00").await);
    assert!(
        matches!(error, RegistryError::Unreachable { .. }),
        "{error}"
    );
    let told = format!("{error} {error:?}");
    assert!(told.contains(&format!("at 127.0.0.1:{port}, ")), "{told}");
    assert!(!told.contains("secret"), "{told}");
}
