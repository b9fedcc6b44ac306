use super::*;

fn no_environment(_: &str) -> Option<String> {
    None
}

#[track_caller]
fn plain_url(text: &str) -> String {
    match read(text, no_environment) {
        Ok(Target::Plain { url }) => url,
        Ok(Target::Tls { .. }) => panic!("{text}: through TLS"),
        Err(why) => panic!("{text}: {why}"),
    }
}

#[track_caller]
fn tls(text: &str) -> (Arc<TlsPlan>, String) {
    match read(text, no_environment) {
        Ok(Target::Tls { plan, url }) => (plan, url),
        Ok(Target::Plain { .. }) => panic!("{text}: in plain"),
        Err(why) => panic!("{text}: {why}"),
    }
}

#[test]
fn this_machine_and_sockets_need_no_tls() {
    for (text, expected) in [
        ("postgres://w:a%40b@localhost:5433/db", "postgresql://w:a%40b@localhost:5433/db?sslmode=disable"),
        ("postgresql://127.0.0.1/db", "postgresql://127.0.0.1/db?sslmode=disable"),
        ("postgres://w@[::1]:1/db", "postgresql://w@[::1]:1/db?sslmode=disable"),
        ("postgres:///db", "postgresql:///db?sslmode=disable"),
        ("postgres://%2Frun%2Fpg/db?sslmode=require", "postgresql://%2Frun%2Fpg/db?sslmode=disable"),
        (
            "postgres://w:a%40b@/db?host=%2Frun%2Fpg",
            "postgresql://w:a%40b@/db?sslmode=disable&host=%2Frun%2Fpg",
        ),
        ("postgres:///db?host=/run/pg", "postgresql:///db?sslmode=disable&host=/run/pg"),
        (
            "postgres://db.example/w?sslmode=disable&options=-c%20a=b",
            "postgresql://db.example/w?sslmode=disable&options=-c%20a=b",
        ),
    ] {
        assert_eq!(plain_url(text), expected);
    }
}

#[test]
fn the_client_url_has_everything_except_the_server() {
    let (plan, url) = tls("postgres://w:p%2Fw@db.example:6000/net%20work?application_name=a%26b\
         &sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem&options=-c%20x%3D1&user=other");
    let expected = TlsPlan {
        host: "db.example".to_owned(),
        address: "db.example".to_owned(),
        port: 6000,
        trust: Trust::Name(Roots::File(PathBuf::from("/etc/ca.pem"))),
        identity: None,
    };
    assert_eq!(*plan, expected);
    assert_eq!(
        url,
        "postgresql://w:p%2Fw@/net%20work?sslmode=disable&application_name=a%26b&options=-c%20x%3D1\
         &user=other&port=6000"
    );
}

#[test]
fn the_modes_are_those_of_the_client_library() {
    let trust = |query: &str| {
        let (plan, _) = tls(&format!("postgres://db.example/w?{query}"));
        format!("{:?}", plan.trust)
    };
    assert_eq!(trust("sslmode=require"), "Anyone");
    assert_eq!(trust("sslmode=require&sslrootcert=ca"), "Chain(File(\"ca\"))");
    assert_eq!(trust("sslmode=verify-ca&sslrootcert=ca"), "Chain(File(\"ca\"))");
    assert_eq!(trust("sslmode=verify-full&sslrootcert=ca"), "Name(File(\"ca\"))");
    assert_eq!(trust("sslmode=verify-full&sslrootcert=system"), "Name(System)");
    let (plan, _) = tls("postgres://db.example/w?hostaddr=10.0.0.7&sslmode=require&sslcert=c&sslkey=k");
    assert_eq!((plan.host.as_str(), plan.address.as_str()), ("db.example", "10.0.0.7"));
    assert_eq!(plan.identity, Some((PathBuf::from("c"), PathBuf::from("k"))));
}

#[test]
fn unsafe_or_unknown_settings_are_refused_without_repeating_secrets() {
    for (text, named) in [
        ("postgres://w:hunter2@db.example/w", "sslmode=verify-full"),
        ("postgres://w:hunter2@localhost.example/w", "sslmode=verify-full"),
        ("postgres://w:hunter2@localhost/w?hostaddr=10.0.0.7", "sslmode=verify-full"),
        ("postgres://w:hunter2@localhost/w?host=db.example", "sslmode=verify-full"),
        ("postgres://w:hunter2@db.example/w?sslmode=prefer", "prefer"),
        ("postgres://w:hunter2@127.0.0.1/w?sslmode=allow", "allow"),
        ("postgres://w:hunter2@db.example/w?sslmode=yes", "sslmode"),
        ("postgres://w:hunter2@db.example/w?sslmode=verify-ca", "sslrootcert"),
        ("postgres://w:hunter2@db.example/w?sslmode=verify-full", "sslrootcert"),
        ("postgres://w:hunter2@db.example/w?sslmode=verify-ca&sslrootcert=system", "system"),
        ("postgres://w:hunter2@db.example/w?sslmode=require&sslcert=c", "sslkey"),
        ("postgres://w:hunter2@db.example/w?sslmode=require&sslcrl=c", "sslcrl"),
        ("postgres://w:hunter2@localhost/w?service=x", "service"),
        ("postgres://w:hunter2@localhost/w?channel_binding=require", "channel_binding"),
        ("postgres://w:hunter2@one.example,two.example/w?sslmode=require", "several"),
        ("postgres://w:hunter2@one.example:1,two.example:2/w?sslmode=require", "read"),
        ("postgres://w:hunter2@db.example/w?sslmode=require&port=x", "port"),
        ("postgres://w:%hunter2@localhost/w", "%25"),
        ("postgres://w:hunter2%@localhost/w", "%25"),
        ("postgres://w:hunter2%00@localhost/w", "%25"),
        ("postgres://w@localhost/w?password=hunter2%2", "%25"),
    ] {
        let Err(why) = read(text, no_environment) else { panic!("{text}: taken") };
        assert!(why.contains(named), "{text}: {why}");
        assert!(!why.contains("hunter2"), "{why}");
    }
}

#[test]
fn the_environment_counts_as_it_does_for_the_client_library() {
    let remote = |name: &str| (name == "PGHOST").then(|| "db.example".to_owned());
    assert!(read("postgres:///w", remote).is_err());
    assert!(read("postgres://localhost/w", remote).is_ok(), "the URL comes first");
    let elsewhere = |name: &str| (name == "PGHOSTADDR").then(|| "10.0.0.7".to_owned());
    assert!(read("postgres://localhost/w", elsewhere).is_err());
    let service = |name: &str| (name == "PGSERVICE").then(|| "x".to_owned());
    assert!(read("postgres://localhost/w", service).is_err());
}

#[test]
fn a_url_shows_no_password() {
    for text in ["postgres://w:hunter2@localhost/w", "postgres://w:hunter2@db.example/w?sslmode=require"] {
        let url = PostgresUrl::parse(text).expect("a URL");
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
