//! What all rounds came to: the entries of the JSON file.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::machine::Versions;
use crate::plan::Contender;
use crate::rounds::Series;
use crate::stats::Quartiles;
use crate::stats::ratios;
use crate::work::Work;

/// One metric of one contender in one work.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) work: &'static str,
    pub(crate) contender: &'static str,
    pub(crate) version: String,
    pub(crate) metric: String,
    pub(crate) unit: String,
    pub(crate) median: f64,
    pub(crate) q1: f64,
    pub(crate) q3: f64,
    /// The median of what it is divided by Seral's of the same round.
    pub(crate) ratio_to_seral: Option<f64>,
    /// The quartiles of the same.
    #[serde(skip)]
    pub(crate) ratio: Option<Quartiles>,
}

/// The entries of one work.
pub(crate) fn entries(work: Work, all: &[Series], versions: &Versions) -> Vec<Entry> {
    let seral = all.iter().find(|series| series.contender == Contender::Seral);
    let of_series = |series: &Series| {
        let first = series.rounds.first().cloned().unwrap_or_default();
        let of_reading = |metric: String, unit: String| {
            let values = series.values(&metric);
            let known: Vec<f64> = values.iter().copied().flatten().collect();
            let middle = Quartiles::of(&known)?;
            let ratio = seral.and_then(|seral| Quartiles::of(&ratios(&values, &seral.values(&metric))));
            Some(Entry {
                work: work.name(),
                contender: series.contender.name(),
                version: versions.of(series.contender),
                metric,
                unit,
                median: middle.median,
                q1: middle.q1,
                q3: middle.q3,
                ratio_to_seral: ratio.map(|ratio| ratio.median),
                ratio,
            })
        };
        first.into_iter().filter_map(move |it| of_reading(it.metric, it.unit)).collect::<Vec<_>>()
    };
    let mut entries: Vec<_> = all.iter().flat_map(of_series).collect();
    entries.extend(keys_to_submit(work, all, versions));
    entries
}

/// In W8 what a key costs is seen beside the same submissions without one, not beside the shorter `send`.
fn keys_to_submit(work: Work, all: &[Series], versions: &Versions) -> Option<Entry> {
    let find = |contender| all.iter().find(|series| series.contender == contender);
    let (keys, submit) = (find(Contender::SeralKeys)?, find(Contender::SeralSubmit)?);
    let middle = Quartiles::of(&ratios(&keys.values("throughput"), &submit.values("throughput")))?;
    Some(Entry {
        work: work.name(),
        contender: Contender::SeralKeys.name(),
        version: versions.of(Contender::SeralKeys),
        metric: "throughput to seral-submit".to_owned(),
        unit: "ratio".to_owned(),
        median: middle.median,
        q1: middle.q1,
        q3: middle.q3,
        ratio_to_seral: None,
        ratio: None,
    })
}

/// The metric that is counted in runs of its own, so that the file keeps it through the others.
pub(crate) const INSTRUCTIONS: &str = "instructions";

/// Writes them where the README says, and makes the folder if need be. A run that counts instructions keeps what was there of the others, and
/// the other way round.
pub(crate) fn write(entries: &[Entry], instructions: bool, path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // A file that is not there, or not ours, has nothing to be kept.
    let before = std::fs::read_to_string(path).unwrap_or_default();
    let all = joined(serde_json::from_str(&before).unwrap_or_default(), entries, instructions)?;
    let mut text = serde_json::to_string_pretty(&all)?;
    text.push('\n');
    std::fs::write(path, text)
}

fn joined(before: Vec<Value>, entries: &[Entry], instructions: bool) -> serde_json::Result<Vec<Value>> {
    let is_of_the_other_kind = |entry: &Value| (entry["metric"] == INSTRUCTIONS) != instructions;
    let mut all: Vec<Value> = before.into_iter().filter(is_of_the_other_kind).collect();
    for entry in entries {
        all.push(serde_json::to_value(entry)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::entries;
    use super::joined;
    use crate::machine::Versions;
    use crate::plan::Contender;
    use crate::rounds::Series;
    use crate::task::Reading;
    use crate::work::Work;

    fn series(contender: Contender, values: &[f64]) -> Series {
        let rounds = values.iter().map(|value| vec![Reading::new("throughput", "M/s", *value)]).collect();
        Series { contender, rounds, failed: None }
    }

    #[test]
    fn ratios_are_of_pairs_and_not_of_medians() {
        let all = [series(Contender::Seral, &[1.0, 10.0, 4.0]), series(Contender::Flume, &[2.0, 10.0, 12.0])];
        let entries = entries(Work::W1, &all, &Versions::here());
        let flume = entries.iter().find(|entry| entry.contender == "flume").unwrap();
        assert_eq!((flume.median, flume.ratio_to_seral), (10.0, Some(2.0)));
    }

    #[test]
    fn without_seral_there_is_no_ratio() {
        let all = [series(Contender::Flume, &[2.0])];
        assert_eq!(entries(Work::W1, &all, &Versions::here())[0].ratio_to_seral, None);
    }

    #[test]
    fn the_file_has_the_fields_that_are_promised() {
        let all = [series(Contender::Seral, &[1.0])];
        let json = serde_json::to_value(entries(Work::W1, &all, &Versions::here())).unwrap();
        let fields: Vec<_> = json[0].as_object().unwrap().keys().map(String::as_str).collect();
        let mut promised =
            ["work", "contender", "version", "metric", "unit", "median", "q1", "q3", "ratio_to_seral"];
        promised.sort_unstable();
        let mut fields = fields;
        fields.sort_unstable();
        assert_eq!(fields, promised);
    }
    #[test]
    fn counts_of_instructions_and_other_readings_keep_each_other() {
        let entries = entries(Work::W1, &[series(Contender::Seral, &[1.0])], &Versions::here());
        let before = serde_json::json!([{"metric": "instructions"}, {"metric": "cpu"}]);
        let before: Vec<_> = before.as_array().unwrap().clone();
        let metrics = |all: Vec<serde_json::Value>| -> Vec<String> {
            all.iter().map(|entry| entry["metric"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(metrics(joined(before.clone(), &entries, false).unwrap()), ["instructions", "throughput"]);
        assert_eq!(metrics(joined(before, &entries, true).unwrap()), ["cpu", "throughput"]);
    }
}
