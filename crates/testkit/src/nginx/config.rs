//! The text of nginx's configuration.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{Location, Scope, SecureLink};

/// A path that is answered always and never logged.
pub(super) const READY_PATH: &str = "/.sluicegate-testkit/ready";

/// The whole configuration, for an nginx that keeps everything in `dir`.
pub(super) fn render(
    locations: &[Location],
    dir: &Path,
    addr: SocketAddr,
    ready_text: &str,
) -> String {
    let dir_quoted = |name: &str| quoted(&dir.join(name));
    let (pid, errors, access) =
        (dir_quoted("nginx.pid"), dir_quoted("error.log"), dir_quoted("access.log"));
    // Root's nginx would hand its directories to another user.
    let user = if is_root(dir) { "user root;\n" } else { "" };
    let temp_paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {};\n", dir_quoted(kind)))
        .collect();
    let mut maps = String::new();
    let mut blocks = String::new();
    for (number, location) in locations.iter().enumerate() {
        match location {
            Location::Plain { prefix, root } => {
                check_prefix(prefix);
                let alias = alias(root);
                writeln!(blocks, "        location {prefix} {{ {PREFLIGHT} {alias} }}").unwrap();
            }
            Location::SecureLink(secure) | Location::SecureProxy(secure, _) => {
                // A decoded path may hold a line end, hence the (?s).
                if secure.scope == Scope::Directory {
                    writeln!(
                        maps,
                        "    map $uri $directory_{number} {{ \"~(?s)^(?<path_{number}>.*/)\" $path_{number}; }}"
                    )
                    .unwrap();
                }
                let content = match location {
                    Location::SecureProxy(_, upstream) => proxy(upstream),
                    _ => secure.root.as_deref().map_or_else(|| OK.to_owned(), alias),
                };
                blocks.push_str(&secure_link(secure, number, &content));
            }
            Location::AuthRequest { gateway, root } => {
                blocks.push_str(&auth_request(gateway, root));
            }
            Location::AccelRedirect { gateway, root } => {
                check_server(gateway);
                let alias = alias(root);
                writeln!(blocks, "        location /_files/ {{ internal; {alias} }}").unwrap();
                blocks.push_str(&pass(gateway));
            }
            Location::SecureLinkSecret { prefix, secret } => {
                check_prefix(prefix);
                check_secret(secret);
                writeln!(
                    blocks,
                    "        location {prefix} {{ secure_link_secret {secret}; \
                     if ($secure_link = \"\") {{ return 403; }} {OK} }}"
                )
                .unwrap();
            }
        }
    }
    format!(
        r#"daemon off;
master_process off;
{user}pid {pid};
error_log {errors} info;
events {{ worker_connections 512; }}
http {{
{temp_paths}    log_format testkit escape=json
        '{{"status":"$status","method":"$request_method","uri":"$uri","request_uri":"$request_uri"}}';
    access_log {access} testkit;
    keepalive_requests 1000000;
    default_type application/octet-stream;
    types {{
        application/dash+xml mpd;
        application/vnd.apple.mpegurl m3u8;
        application/octet-stream bin key;
        audio/aac aac;
        audio/mp4 m4a;
        text/html html;
        text/javascript js mjs;
        text/vtt vtt;
        video/iso.segment m4s;
        video/mp2t ts;
        video/mp4 mp4 m4v;
    }}
{maps}    server {{
        listen {addr};
        add_header Access-Control-Allow-Origin * always;
        add_header Access-Control-Allow-Methods "GET, HEAD, OPTIONS" always;
        add_header Access-Control-Allow-Headers Range always;
        add_header Access-Control-Expose-Headers "Content-Length, Content-Range, Date" always;
        location = {READY_PATH} {{ access_log off; return 200 "{ready_text}"; }}
{blocks}    }}
}}
"#
    )
}

/// A browser asks so before a request that carries a Range, and without its token.
const PREFLIGHT: &str = "if ($request_method = OPTIONS) { return 204; }";

/// What a location without files answers.
const OK: &str = "return 200 \"ok\\n\";";

fn secure_link(location: &SecureLink, number: usize, content: &str) -> String {
    let SecureLink { prefix, root: _, scope, secret, bind_ip } = location;
    check_prefix(prefix);
    check_secret(secret);
    let path = match scope {
        Scope::File => "$uri".to_owned(),
        Scope::Directory => format!("$directory_{number}"),
        Scope::CapturedDirectory => format!("$captured_{number}"),
    };
    let matched = match scope {
        Scope::CapturedDirectory => {
            assert!(content == OK, "a location with a regular expression has no folder here");
            let prefix = prefix.replace('.', "\\.");
            format!("~ \"(?s)^(?<captured_{number}>{prefix}(?:.*/)?)\"")
        }
        Scope::File | Scope::Directory => prefix.clone(),
    };
    let ip = if *bind_ip { "$remote_addr" } else { "" };
    format!(
        r#"        location {matched} {{
            {PREFLIGHT}
            secure_link $arg_md5,$arg_expires;
            secure_link_md5 "$secure_link_expires{path}{ip} {secret}";
            if ($secure_link = "") {{ return 403; }}
            if ($secure_link = "0") {{ return 410; }}
            {content}
        }}
"#
    )
}

/// The server's own CORS header would make two.
fn proxy(upstream: &str) -> String {
    check_server(upstream);
    format!("set $args \"\"; proxy_hide_header Access-Control-Allow-Origin; proxy_pass {upstream};")
}

/// As docs/configuration.md has it.
fn auth_request(gateway: &str, root: &Path) -> String {
    check_server(gateway);
    let root = root.to_str().expect("the path is UTF-8").trim_end_matches('/');
    check_path(root);
    format!(
        r#"        location = /_auth {{
            internal;
            proxy_pass {gateway}/auth;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Original-Method $request_method;
        }}
        location ~ "^/s/[^/]+(?<media>/.+\.(?:m4s|mp4|ts|aac|vtt|bin|key))$" {{
            {PREFLIGHT}
            auth_request /_auth;
            alias "{root}$media";
        }}
{}"#,
        pass(gateway)
    )
}

/// Everything else goes to the gateway. Its CORS headers would stand beside the server's own.
fn pass(gateway: &str) -> String {
    format!(
        r#"        location / {{
            proxy_hide_header Access-Control-Allow-Origin;
            proxy_hide_header Access-Control-Expose-Headers;
            proxy_set_header Host $http_host;
            proxy_pass {gateway};
        }}
"#
    )
}

fn alias(root: &Path) -> String {
    format!("alias {};", quoted(&root.join("")))
}

fn quoted(path: &Path) -> String {
    let text = path.to_str().expect("the path is UTF-8");
    check_path(text);
    format!("\"{text}\"")
}

fn check_path(text: &str) {
    assert!(
        !text.contains(['"', '\\', '$', '\n']),
        "nginx's configuration cannot hold the path {text:?}"
    );
}

fn check_server(url: &str) {
    let is_harmless = |byte: u8| is_harmless(byte) || matches!(byte, b':' | b'/' | b'[' | b']');
    assert!(
        url.starts_with("http://") && url.bytes().all(is_harmless),
        "a server's URL needs no quoting: {url:?}"
    );
}

fn check_prefix(prefix: &str) {
    assert!(
        prefix.starts_with('/')
            && prefix.ends_with('/')
            && prefix.bytes().all(|byte| byte == b'/' || is_harmless(byte)),
        "a location's prefix begins and ends with '/' and needs no quoting: {prefix:?}"
    );
}

fn check_secret(secret: &str) {
    assert!(
        !secret.is_empty() && secret.bytes().all(is_harmless),
        "the secret of a test holds A-Z a-z 0-9 _ . - only"
    );
}

const fn is_harmless(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// Whether this process, which made the directory, is root's.
fn is_root(dir: &Path) -> bool {
    dir.metadata().is_ok_and(|made| made.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(location: Location) -> String {
        render(&[location], Path::new("/nowhere"), "127.0.0.1:9".parse().unwrap(), "ready")
    }

    fn secure() -> SecureLink {
        SecureLink {
            prefix: "/v/".to_owned(),
            root: None,
            scope: Scope::File,
            secret: "secret_key".to_owned(),
            bind_ip: false,
        }
    }

    #[test]
    fn each_location_hashes_what_it_says() {
        let file = rendered(Location::SecureLink(secure()));
        assert!(
            file.contains("secure_link_md5 \"$secure_link_expires$uri secret_key\";"),
            "{file}"
        );
        assert!(file.contains("return 200") && !file.contains("map $uri"));
        let bound = SecureLink { scope: Scope::Directory, bind_ip: true, ..secure() };
        let bound = rendered(Location::SecureLink(bound));
        assert!(bound.contains("$secure_link_expires$directory_0$remote_addr secret_key"));
        assert!(bound.contains("map $uri $directory_0 "));
    }

    #[test]
    fn a_directory_may_be_what_a_locations_expression_captures() {
        let captured = SecureLink { scope: Scope::CapturedDirectory, ..secure() };
        let captured = rendered(Location::SecureLink(captured));
        assert!(
            captured.contains("location ~ \"(?s)^(?<captured_0>/v/(?:.*/)?)\" {"),
            "{captured}"
        );
        assert!(captured.contains("$secure_link_expires$captured_0 secret_key"));
    }

    #[test]
    fn a_folder_is_served_below_its_prefix() {
        let plain = rendered(Location::Plain { prefix: "/s/".to_owned(), root: "/media/x".into() });
        assert!(plain.contains("alias \"/media/x/\";"), "{plain}");
    }

    #[test]
    fn a_server_behind_a_location_sees_no_token() {
        let proxied = rendered(Location::SecureProxy(secure(), "http://127.0.0.1:9/".to_owned()));
        assert!(proxied.contains("set $args \"\";"), "{proxied}");
        assert!(proxied.contains("proxy_pass http://127.0.0.1:9/;"), "{proxied}");
        assert!(!proxied.contains("return 200 \"ok"), "{proxied}");
    }

    #[test]
    #[should_panic(expected = "the secret of a test")]
    fn a_secret_that_needs_quoting_is_refused() {
        let _ = rendered(Location::SecureLink(SecureLink { secret: "a$b".to_owned(), ..secure() }));
    }

    #[test]
    #[should_panic(expected = "a location's prefix")]
    fn a_prefix_that_needs_quoting_is_refused() {
        let _ = rendered(Location::SecureLink(SecureLink { prefix: "/a b/".into(), ..secure() }));
    }
}
