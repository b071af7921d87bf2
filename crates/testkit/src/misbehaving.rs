//! An HTTP origin that fails in the ways that origins do, by word of command.

use std::io::{self, BufRead as _, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

/// What it does with each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Sends the file.
    Well,
    /// Sends the file after a while.
    Slow(Duration),
    /// Hangs up in the middle of the file.
    Cut,
    /// Announces more bytes than it sends, and then waits with an open connection.
    TooShort,
    /// Announces less bytes than it sends.
    TooLong,
    /// Answers with this status.
    Status(u16),
    /// Sends the file and answers 503, one after the other.
    Flapping,
    /// Hangs up without an answer.
    HangUp,
    /// Sends a playlist of 1 GiB in a megabyte of gzip.
    GzipBomb,
    /// Redirects to the same path.
    RedirectLoop,
    /// Sends a playlist of 1 GiB, which it announces.
    Huge,
    /// Sends a playlist of 1 GiB, in chunks.
    HugeInChunks,
}

/// The origin. It serves one file at all paths that end in its name's extension.
#[derive(Debug)]
pub struct Misbehaving {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    mood: Mutex<Mood>,
    file: Mutex<Vec<u8>>,
    asked: AtomicUsize,
    is_over: AtomicBool,
}

/// What 1 GiB is made of.
const GIB: usize = 1 << 30;
const BLOCK: usize = 1 << 20;

impl Misbehaving {
    /// Begins to serve `file`, well.
    ///
    /// # Panics
    /// If no port can be had.
    #[must_use]
    pub fn start(file: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            mood: Mutex::new(Mood::Well),
            file: Mutex::new(file.into()),
            asked: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let for_all = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming() {
                if for_all.is_over.load(Ordering::Relaxed) {
                    break;
                }
                let for_one = Arc::clone(&for_all);
                // A client that hangs up has had enough.
                thread::spawn(move || connection.and_then(|stream| for_one.answer(stream)));
            }
        });
        Self { addr, shared }
    }

    /// The URL of a path that begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Changes what it does from now on.
    pub fn set(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// Changes what it serves.
    pub fn serve(&self, file: impl Into<Vec<u8>>) {
        *self.shared.file.lock().unwrap() = file.into();
    }

    /// How often it was asked since the last time.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.shared.asked.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the one who waits for connections.
        let _ = TcpStream::connect(self.addr);
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut target = String::new();
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        for line in &mut lines {
            let line = line?;
            if target.is_empty() {
                target = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            if line.is_empty() {
                break;
            }
        }
        if target.is_empty() {
            return Ok(());
        }
        let before = self.asked.fetch_add(1, Ordering::Relaxed);
        let mood = self.mood.lock().unwrap().clone();
        let file = self.file.lock().unwrap().clone();
        let len = file.len();
        match mood {
            Mood::Well => whole(&mut stream, &file),
            Mood::Slow(wait) => {
                thread::sleep(wait);
                whole(&mut stream, &file)
            }
            Mood::Cut => {
                head(&mut stream, "200 OK", &format!("Content-Length: {len}\r\n"))?;
                stream.write_all(&file[..len / 2])
            }
            Mood::TooShort => {
                head(&mut stream, "200 OK", &format!("Content-Length: {}\r\n", len + 1000))?;
                stream.write_all(&file)?;
                thread::sleep(Duration::from_secs(30));
                Ok(())
            }
            Mood::TooLong => {
                head(&mut stream, "200 OK", &format!("Content-Length: {}\r\n", len / 2))?;
                stream.write_all(&file)
            }
            Mood::Status(status) => {
                head(&mut stream, &format!("{status} Trouble"), "Content-Length: 0\r\n")
            }
            Mood::Flapping if before.is_multiple_of(2) => {
                head(&mut stream, "503 Trouble", "Content-Length: 0\r\n")
            }
            Mood::Flapping => whole(&mut stream, &file),
            Mood::HangUp => Ok(()),
            Mood::GzipBomb => {
                let (first, block) = (gzip(b"#EXTM3U\n"), gzip(&comments()));
                let len = first.len() + block.len() * (GIB / BLOCK);
                let headers = format!("Content-Encoding: gzip\r\nContent-Length: {len}\r\n");
                head(&mut stream, "200 OK", &headers)?;
                stream.write_all(&first)?;
                (0..GIB / BLOCK).try_for_each(|_| stream.write_all(&block))
            }
            Mood::RedirectLoop => {
                let headers = format!("Location: {target}\r\nContent-Length: 0\r\n");
                head(&mut stream, "302 Found", &headers)
            }
            Mood::Huge => {
                head(&mut stream, "200 OK", &format!("Content-Length: {GIB}\r\n"))?;
                stream.write_all(b"#EXTM3U\n")?;
                let block = comments();
                (0..GIB / BLOCK).try_for_each(|_| stream.write_all(&block))
            }
            Mood::HugeInChunks => {
                head(&mut stream, "200 OK", "Transfer-Encoding: chunked\r\n")?;
                stream.write_all(b"8\r\n#EXTM3U\n\r\n")?;
                let block = [format!("{BLOCK:x}\r\n").as_bytes(), &comments(), b"\r\n"].concat();
                (0..GIB / BLOCK).try_for_each(|_| stream.write_all(&block))?;
                stream.write_all(b"0\r\n\r\n")
            }
        }
    }
}

fn head(stream: &mut impl Write, status: &str, headers: &str) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n")
}

fn whole(stream: &mut impl Write, file: &[u8]) -> io::Result<()> {
    head(stream, "200 OK", &format!("Content-Length: {}\r\n", file.len()))?;
    stream.write_all(file)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Lines of a playlist that mean nothing.
fn comments() -> Vec<u8> {
    let line = [&[b'#'; 63][..], b"\n"].concat();
    line.repeat(BLOCK / line.len())
}
