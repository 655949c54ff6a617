//! What is uploaded: text like that of laboratory reports, made once and repeated.

use std::fmt::Write;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use mesh_api::{OpenPayload, Payload, PayloadStream};

/// How much text there is before it repeats: far more than deflate looks back, so that gzip cannot tell.
const TEXT_BYTES: usize = 8 * 1024 * 1024;

/// The pieces in which it is read, as from a file.
const PIECE_BYTES: usize = 64 * 1024;

/// The tests that reports are about.
const TESTS: [&str; 8] = [
    "44M3.^Serum sodium level^mmol/L^133-146",
    "44h8.^Serum potassium level^mmol/L^3.5-5.3",
    "44J3.^Serum creatinine level^umol/L^45-84",
    "42W4.^Haemoglobin A1c level (IFCC)^mmol/mol^20-41",
    "423..^Haemoglobin estimation^g/L^115-165",
    "42P..^Platelet count^10*9/L^150-400",
    "44CC.^Serum C reactive protein level^mg/L^0-5",
    "442W.^Serum TSH level^mu/L^0.35-4.94",
];

/// The text.
#[derive(Clone)]
pub(crate) struct Text(Bytes);

impl Text {
    /// Makes it, the same each time.
    pub(crate) fn new() -> Self {
        let mut text = String::with_capacity(TEXT_BYTES + 4096);
        let mut dice = Dice(1);
        while text.len() < TEXT_BYTES {
            report(&mut text, &mut dice).expect("a string takes text");
        }
        Self(Bytes::from(text).slice(..TEXT_BYTES))
    }

    /// So much of it as a message's payload.
    pub(crate) fn payload(&self, length: u64) -> Payload {
        Payload::new(length, Arc::new(self.clone()))
    }

    /// A part of it in pieces, none of them copied.
    pub(crate) fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = Bytes> + Send + use<> {
        let text = self.0.clone();
        let mut at = range.start;
        std::iter::from_fn(move || {
            let start = (at % TEXT_BYTES as u64) as usize;
            let most = PIECE_BYTES.min(TEXT_BYTES - start) as u64;
            let length = most.min(range.end - at) as usize;
            at += length as u64;
            (length > 0).then(|| text.slice(start..start + length))
        })
    }
}

impl OpenPayload for Text {
    fn open(&self, range: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
        let stream: PayloadStream = stream::iter(self.pieces(range).map(Ok)).boxed();
        Box::pin(async { Ok(stream) })
    }
}

/// One report of a few results.
fn report(text: &mut String, dice: &mut Dice) -> std::fmt::Result {
    let (patient, day, minute) = (dice.below(1_000_000_000), dice.below(28) + 1, dice.below(1440));
    writeln!(
        text,
        "MSH|^~\\&|LAB|RR8|GP|B8{:04}|202503{day:02}{minute:04}||ORU^R01|{:08x}|P|2.4",
        dice.below(10_000),
        dice.below(u32::MAX)
    )?;
    writeln!(
        text,
        "PID|1||9{patient:09}^^^NHS||SURNAME{}^FORENAME{}||19{:02}0{}{:02}|{}",
        dice.below(5000),
        dice.below(800),
        dice.below(100),
        dice.below(9) + 1,
        dice.below(28) + 1,
        if dice.below(2) == 0 { "F" } else { "M" }
    )?;
    for index in 1..=dice.below(TESTS.len() as u32) + 1 {
        let test = TESTS[dice.below(TESTS.len() as u32) as usize];
        let value = dice.below(1500);
        writeln!(
            text,
            "OBX|{index}|NM|{test}|{}.{}|{}|F|202503{day:02}{:04}",
            value / 10,
            value % 10,
            if value > 1000 { "H" } else { "N" },
            dice.below(1440)
        )?;
    }
    writeln!(
        text,
        "NTE|1||Sample received {:02}:{:02}, reported by analyser {}.",
        minute / 60,
        minute % 60,
        dice.below(12)
    )
}

/// Numbers that look thrown.
struct Dice(u64);

impl Dice {
    /// A number from 0, less than `limit`.
    fn below(&mut self, limit: u32) -> u32 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        ((high * u64::from(limit)) >> 32) as u32
    }
}
