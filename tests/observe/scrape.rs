//! What `/metrics` answered, as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};

use crate::caller::Caller;

/// One value.
#[derive(Debug, Clone)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// One answer.
#[derive(Debug)]
pub struct Scrape {
    pub samples: Vec<Sample>,
    /// By metric.
    pub help: BTreeMap<String, String>,
    /// By metric.
    pub kinds: BTreeMap<String, String>,
}

impl Scrape {
    pub async fn of(caller: &Caller) -> Self {
        let answer = caller.get("/metrics").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        Self::read(&answer.text())
    }

    fn read(text: &str) -> Self {
        let mut scrape = Self { samples: Vec::new(), help: BTreeMap::new(), kinds: BTreeMap::new() };
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let (what, name) = (words.next().expect("a word"), words.next().expect("a name").to_owned());
                let rest = words.next().unwrap_or_default().to_owned();
                match what {
                    "HELP" => scrape.help.insert(name, rest),
                    "TYPE" => scrape.kinds.insert(name, rest),
                    other => panic!("{other} in {line}"),
                };
            } else {
                scrape.samples.push(sample(line));
            }
        }
        scrape
    }

    /// The sum of all values of a metric whose labels have these values; `None` when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |sample: &&Sample| {
            let has =
                |(label, value): &(&str, &str)| sample.labels.get(*label).is_some_and(|own| own == value);
            sample.name == name && labels.iter().all(has)
        };
        let found: Vec<f64> = self.samples.iter().filter(fits).map(|sample| sample.value).collect();
        (!found.is_empty()).then(|| found.iter().sum())
    }

    /// As [`Self::sum`]; zero when there is none.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.sum(name, labels).unwrap_or(0.0)
    }

    /// The metrics by their declared names, with the names of their labels. A histogram's series count as one.
    pub fn metrics(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for sample in &self.samples {
            let labels = sample.labels.keys().filter(|label| *label != "le").cloned();
            metrics.entry(declared(&self.kinds, &sample.name)).or_default().extend(labels);
        }
        metrics
    }
}

/// The metric that a series belongs to.
fn declared(kinds: &BTreeMap<String, String>, series: &str) -> String {
    let of_histogram = ["_bucket", "_sum", "_count"].iter().filter_map(|end| series.strip_suffix(end));
    let mut histograms = of_histogram.filter(|name| kinds.get(*name).is_some_and(|kind| kind == "histogram"));
    histograms.next().unwrap_or(series).to_owned()
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = match series.split_once('{') {
        None => (series, BTreeMap::new()),
        Some((name, rest)) => {
            let pairs = rest.strip_suffix('}').expect("an end of labels").split("\",");
            let pair = |pair: &str| {
                let (label, value) = pair.split_once("=\"").expect("a label");
                (label.to_owned(), value.trim_end_matches('"').to_owned())
            };
            (name, pairs.map(pair).collect())
        }
    };
    Sample { name: name.to_owned(), labels, value: value.parse().expect("a number") }
}
