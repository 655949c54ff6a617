//! Five GiB there and back over TLS, plain and gzipped, the relay killed three times each way at random: little memory,
//! little sent again, nothing changed. The seed of the moments is printed; `MESH_RELAY_PROVE_SEED` plays it again.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use mesh_sandbox::{Sandbox, SandboxConfig, StoreKind, Tls};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use relay_testkit::pairs::Control;
use sha2::{Digest, Sha256};

use crate::process::{ALICE, BOB, Relay, Site};

const BYTES: u64 = 5 << 30;
const CHUNK_BYTES: u64 = 50_000_000;
const KILLS: usize = 3;
/// What the relay may use, in MiB.
const MEMORY_MAX: f64 = 48.0;
/// About what one chunk takes here, so that a kill falls anywhere in it.
const CHUNK_TIME: Duration = Duration::from_millis(400);
/// Longest time of one way.
const WAY_MAX: Duration = Duration::from_secs(1200);

/// Text that compresses as letters do, different in every block; and its hash.
fn write_data(path: &Path) -> String {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
    let mut hash = Sha256::new();
    let (mut state, mut written) = (0x9e37_79b9_7f4a_7c15_u64, 0);
    let mut block = Vec::with_capacity(1 << 20);
    while written < BYTES {
        block.clear();
        while block.len() < 1 << 20 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block.extend_from_slice(
                format!("result {:>12} mmol/l within range\n", state % 1_000_000).as_bytes(),
            );
        }
        block.truncate(usize::try_from(BYTES - written).map_or(1 << 20, |left| left.min(1 << 20)));
        file.write_all(&block).expect("room");
        hash.update(&block);
        written += block.len() as u64;
    }
    file.flush().expect("room");
    hex(&hash.finalize())
}

fn hash_of(path: &Path) -> String {
    let mut file = File::open(path).expect("a file");
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).expect("bytes") {
            0 => return hex(&hash.finalize()),
            read => hash.update(&buffer[..read]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAY_MAX;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {WAY_MAX:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// When the relay is killed on one way: behind which chunk, and how long after that one.
fn moments(random: &mut StdRng, chunks: usize) -> [(usize, Duration); KILLS] {
    let mut moments = [(); KILLS].map(|()| {
        let after = Duration::from_micros(random.random_range(0..CHUNK_TIME.as_micros() as u64));
        (random.random_range(1..chunks), after)
    });
    moments.sort();
    moments
}

/// Chunks that were asked for so far, those asked for again included.
fn chunks_given(sandbox: &Sandbox) -> usize {
    let requests = sandbox.requests();
    requests.iter().filter(|request| matches!(request.call, "download" | "download-chunk")).count()
}

/// Chunks that arrived so far, whole or broken off, those sent again included.
fn chunks_sent(sandbox: &Sandbox) -> usize {
    let requests = sandbox.requests();
    requests.iter().filter(|request| matches!(request.call, "send" | "send-chunk")).count()
}

async fn there_and_back(gzip: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = SandboxConfig {
        tls: Tls::SelfMade { client: None },
        store: StoreKind::Folder(folder.path().join("mesh")),
        ..SandboxConfig::loopback()
    };
    let sandbox = Sandbox::start(config).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "roots = \"roots.pem\"\n");
    site.write("roots.pem", sandbox.root_certificate().expect("a root"));
    let config = std::fs::read_to_string(site.path("relay.toml")).expect("a configuration");
    site.write("relay.toml", config.replace("64KB", &format!("{}MB", CHUNK_BYTES / 1_000_000)));

    let mut relay: Relay = site.run().await;
    let out = site.alice.folder("OUT");
    let hash = write_data(&out.join("huge.part"));
    #[expect(clippy::disallowed_methods, reason = "an old system hands its file over like this")]
    std::fs::rename(out.join("huge.part"), out.join("huge.dat")).expect("renamed");
    let control = Control { compress: gzip, allow_chunking: true, ..Control::new(ALICE, BOB) };
    let began = Instant::now();
    site.alice.drop_files("huge", Some(control.local_id("huge").text().as_bytes()), None);

    let seed = std::env::var("MESH_RELAY_PROVE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    let mut random = StdRng::seed_from_u64(seed);
    let chunks = usize::try_from(BYTES.div_ceil(CHUNK_BYTES)).expect("a number");
    let mut peak = 0;
    for (chunk, after) in moments(&mut random, chunks) {
        until("the upload moves", || chunks_sent(&sandbox) >= chunk).await;
        tokio::time::sleep(after).await;
        peak = peak.max(relay.peak_kib());
        relay.kill();
        relay = site.run().await;
    }
    until("the upload is done", || site.alice.controls("SENT") == 1).await;
    let up = began.elapsed();
    let sent_again = chunks_sent(&sandbox).saturating_sub(chunks);

    for (chunk, after) in moments(&mut random, chunks) {
        until("the download moves", || chunks_given(&sandbox) >= chunk).await;
        tokio::time::sleep(after).await;
        peak = peak.max(relay.peak_kib());
        relay.kill();
        relay = site.run().await;
    }
    until("the download is done", || site.bob.controls("IN") == 1).await;
    let down = began.elapsed() - up;
    let fetched_again = chunks_given(&sandbox).saturating_sub(chunks);
    peak = peak.max(relay.peak_kib());
    let data = site.bob.names("IN").into_iter().find(|name| name.ends_with(".dat")).expect("the data");
    let arrived = hash_of(&site.bob.folder("IN").join(data));
    let mib = |time: Duration| BYTES as f64 / f64::from(1 << 20) / time.as_secs_f64();
    let peak = peak as f64 / 1024.0;
    println!(
        "{} GiB {}, seed {seed}: up in {:.0} s ({:.0} MiB/s, {KILLS} kills included), {sent_again} of {chunks} chunks sent again, \
         down in {:.0} s ({:.0} MiB/s, {KILLS} kills included), {fetched_again} fetched again, \
         peak memory {peak:.1} MiB",
        BYTES >> 30,
        if gzip { "gzipped" } else { "plain" },
        up.as_secs_f64(),
        mib(up),
        down.as_secs_f64(),
        mib(down),
    );
    assert_eq!(arrived, hash, "the content changed");
    assert!(sent_again <= KILLS, "more than one chunk was sent again for each kill");
    assert!(fetched_again <= KILLS, "more than one chunk was fetched again for each kill");
    assert!(peak <= MEMORY_MAX, "the relay used more than {MEMORY_MAX} MiB");
    assert!(relay.stop().await.0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn five_gib_go_there_and_back_plain() {
    there_and_back(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_gib_go_there_and_back_gzipped() {
    there_and_back(true).await;
}
