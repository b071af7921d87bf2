//! A small HTTP/1.1 client that sends a request target byte for byte.
//!
//! Other clients normalise `//`, `..` and escapes before the server sees them; a test of what
//! the server does with these cannot use them. One connection is kept alive for many requests.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);

/// A client of one server. Connects when it must, and again when the server has closed.
#[derive(Debug)]
pub struct Client {
    addr: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

/// An answer with its whole body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names as the server wrote them, and values without the blanks around them.
    pub headers: Vec<(String, String)>,
    /// The body, unchunked.
    pub body: Vec<u8>,
}

impl Client {
    /// Connects to a server.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(addr: SocketAddr) -> io::Result<Self> {
        let mut client = Self { addr, connection: None };
        client.connection = Some(client.open()?);
        Ok(client)
    }

    /// Sends a GET.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub fn get(&mut self, target: &[u8], headers: &[(&str, &str)]) -> io::Result<Response> {
        self.request("GET", target, headers)
    }

    /// Sends a request without a body. `Host` is added; everything else is sent as given.
    ///
    /// # Errors
    /// When the server cannot be reached, or its answer is no HTTP/1.1.
    pub fn request(
        &mut self,
        method: &str,
        target: &[u8],
        headers: &[(&str, &str)],
    ) -> io::Result<Response> {
        self.send(method, target, headers, b"")
    }

    /// Sends a request with a body, whose length is added unless it is empty.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub fn send(
        &mut self,
        method: &str,
        target: &[u8],
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let mut head = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"].concat();
        write!(head, "Host: {}\r\n", self.addr)?;
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n")?;
        }
        if !body.is_empty() {
            write!(head, "Content-Length: {}\r\n", body.len())?;
        }
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(body);

        if let Some(mut kept) = self.connection.take() {
            // The server may have closed a kept connection meanwhile: it is no failure when
            // it ends before the first byte of an answer.
            let asked = kept.get_mut().write_all(&head).is_ok();
            if asked && kept.fill_buf().is_ok_and(|buffer| !buffer.is_empty()) {
                return self.answer(kept, method);
            }
        }
        let mut fresh = self.open()?;
        fresh.get_mut().write_all(&head)?;
        self.answer(fresh, method)
    }

    fn open(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(BufReader::new(stream))
    }

    fn answer(
        &mut self,
        mut connection: BufReader<TcpStream>,
        method: &str,
    ) -> io::Result<Response> {
        let (response, reusable) = read_response(&mut connection, method)?;
        if reusable {
            self.connection = Some(connection);
        }
        Ok(response)
    }
}

impl Response {
    /// The first header of a name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text, with replacement characters for what is not UTF-8.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads one answer, and says whether the connection can be used again.
fn read_response(from: &mut impl io::BufRead, method: &str) -> io::Result<(Response, bool)> {
    let (status, headers) = loop {
        let head = read_head(from)?;
        // 100 Continue and its kind come before the answer.
        if head.0 >= 200 {
            break head;
        }
    };
    let mut response = Response { status, headers, body: Vec::new() };
    let is = |name, value: &str| {
        response.header(name).is_some_and(|header| header.eq_ignore_ascii_case(value))
    };
    let mut reusable = !is("connection", "close");
    let chunked = is("transfer-encoding", "chunked");
    if method == "HEAD" || matches!(status, 204 | 304) {
        return Ok((response, reusable));
    }
    if chunked {
        response.body = read_chunks(from)?;
    } else if let Some(length) = response.header("content-length") {
        let length = length.parse().map_err(|_| malformed("Content-Length"))?;
        response.body = read_exactly(from, length)?;
    } else {
        from.read_to_end(&mut response.body)?;
        reusable = false;
    }
    Ok((response, reusable))
}

fn read_head(from: &mut impl io::BufRead) -> io::Result<(u16, Vec<(String, String)>)> {
    let line = read_line(from)?;
    let status = line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5)?.parse().ok())
        .ok_or_else(|| malformed("status line"))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(from)?;
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("header"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_chunks(from: &mut impl io::BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(from)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| malformed("chunk size"))?;
        if size == 0 {
            while !read_line(from)?.is_empty() {}
            return Ok(body);
        }
        body.extend_from_slice(&read_exactly(from, size)?);
        if !read_line(from)?.is_empty() {
            return Err(malformed("chunk end"));
        }
    }
}

fn read_exactly(from: &mut impl io::BufRead, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_line(from: &mut impl io::BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, text: &str) -> io::Result<(Response, bool)> {
        read_response(&mut text.as_bytes(), method)
    }

    #[test]
    fn a_body_is_read_by_length_by_chunks_or_to_the_end() {
        for (head, body, reusable) in [
            ("Content-Length: 5", "helloNEXT", true),
            ("content-length:5\r\nConnection: close", "hello", false),
            (
                "Transfer-Encoding: chunked",
                "2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nT: x\r\n\r\nNEXT",
                true,
            ),
            ("Server: x", "hello", false),
        ] {
            let read = read("GET", &format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}")).unwrap();
            assert_eq!((read.0.text().as_str(), read.1), ("hello", reusable), "{head}");
        }
    }

    #[test]
    fn some_answers_have_no_body() {
        for (method, status) in [("HEAD", 200), ("GET", 304), ("OPTIONS", 204)] {
            let text = format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n");
            assert!(read(method, &text).unwrap().0.body.is_empty());
        }
    }

    #[test]
    fn an_interim_answer_is_passed_over() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(read("GET", text).unwrap().0.status, 404);
    }

    #[test]
    fn an_answer_that_is_cut_or_no_http_is_an_error() {
        for text in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(read("GET", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_target_is_sent_as_given_and_a_closed_connection_is_opened_again() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let mut seen = Vec::new();
            for _ in 0..2 {
                let mut stream = BufReader::new(listener.accept().unwrap().0);
                seen.push(read_line(&mut stream).unwrap());
                while !read_line(&mut stream).unwrap().is_empty() {}
                // Closes without having said so.
                stream
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .unwrap();
            }
            seen
        });
        let mut client = Client::connect(addr).unwrap();
        for target in ["//a/../%2f", "/b?x=%"] {
            assert_eq!(client.get(target.as_bytes(), &[]).unwrap().status, 200);
        }
        assert_eq!(server.join().unwrap(), ["GET //a/../%2f HTTP/1.1", "GET /b?x=% HTTP/1.1"]);
    }
}
