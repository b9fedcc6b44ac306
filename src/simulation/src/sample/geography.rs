//! Yantai: its districts, counties and islands, and 226 stations among them.

use rand::Rng;

use super::secrets;
use domain::{network::StationRecord, prescription::EncounterLane};

/// Stations of the first city.
pub(super) const STATIONS: usize = 226;

/// A part of the city. Stations are placed in its box, which is on land near the
/// town's centre; weights are residents in thousands, rounded, for samples only.
pub(super) struct Area {
    /// Prefix of codes.
    pub slug: &'static str,
    /// The district or county-level city that it belongs to.
    pub district: &'static str,
    pub zh: &'static str,
    pub en: &'static str,
    weight: u32,
    /// South, north, west, east, in millionths of a degree.
    bounds: [i32; 4],
}

const fn area(
    (slug, district): (&'static str, &'static str),
    (zh, en): (&'static str, &'static str),
    weight: u32,
    bounds: [i32; 4],
) -> Area {
    Area { slug, district, zh, en, weight, bounds }
}

/// All parts of Yantai. Changdao was merged into Penglai in 2020.
pub(super) const AREAS: &[Area] = &[
    area(("zhifu", "zhifu"), ("芝罘区", "Zhifu"), 970, [37_480_000, 37_535_000, 121_310_000, 121_410_000]),
    area(
        ("kongtong", "zhifu"),
        ("崆峒岛", "Kongtong Island"),
        1,
        [37_558_000, 37_563_000, 121_512_000, 121_518_000],
    ),
    area(("fushan", "fushan"), ("福山区", "Fushan"), 390, [37_440_000, 37_510_000, 121_200_000, 121_290_000]),
    area(("muping", "muping"), ("牟平区", "Muping"), 440, [37_330_000, 37_400_000, 121_520_000, 121_660_000]),
    area(
        ("laishan", "laishan"),
        ("莱山区", "Laishan"),
        430,
        [37_400_000, 37_500_000, 121_400_000, 121_460_000],
    ),
    area(
        ("penglai", "penglai"),
        ("蓬莱区", "Penglai"),
        410,
        [37_700_000, 37_800_000, 120_680_000, 120_850_000],
    ),
    area(
        ("changdao", "penglai"),
        ("长岛", "Changdao"),
        40,
        [37_905_000, 37_935_000, 120_735_000, 120_750_000],
    ),
    area(
        ("kaifa", "kaifa"),
        ("开发区", "Development Area"),
        420,
        [37_530_000, 37_560_000, 121_150_000, 121_250_000],
    ),
    area(
        ("longkou", "longkou"),
        ("龙口市", "Longkou"),
        730,
        [37_600_000, 37_660_000, 120_450_000, 120_550_000],
    ),
    area(
        ("laiyang", "laiyang"),
        ("莱阳市", "Laiyang"),
        790,
        [36_920_000, 37_020_000, 120_650_000, 120_780_000],
    ),
    area(
        ("laizhou", "laizhou"),
        ("莱州市", "Laizhou"),
        820,
        [37_140_000, 37_210_000, 119_920_000, 120_000_000],
    ),
    area(
        ("zhaoyuan", "zhaoyuan"),
        ("招远市", "Zhaoyuan"),
        540,
        [37_320_000, 37_400_000, 120_360_000, 120_450_000],
    ),
    area(("qixia", "qixia"), ("栖霞市", "Qixia"), 490, [37_280_000, 37_360_000, 120_800_000, 120_900_000]),
    area(
        ("haiyang", "haiyang"),
        ("海阳市", "Haiyang"),
        570,
        [36_750_000, 36_800_000, 121_120_000, 121_200_000],
    ),
];

/// Shares `total` among the areas by weight, at least one each (largest remainders).
pub(super) fn share(total: usize) -> Vec<usize> {
    let weights: u64 = AREAS.iter().map(|area| u64::from(area.weight)).sum();
    let spare = (total - AREAS.len()) as u64;
    let mut shares: Vec<usize> =
        AREAS.iter().map(|area| 1 + (u64::from(area.weight) * spare / weights) as usize).collect();
    let mut by_remainder: Vec<usize> = (0..AREAS.len()).collect();
    by_remainder
        .sort_by_key(|place| (std::cmp::Reverse(u64::from(AREAS[*place].weight) * spare % weights), *place));
    let missing = total - shares.iter().sum::<usize>();
    for place in by_remainder.into_iter().take(missing) {
        shares[place] += 1;
    }
    shares
}

/// The stations, area by area.
pub(super) fn stations(seed: u64) -> Vec<StationRecord> {
    let mut random = secrets::random(seed, "stations");
    let mut stations = Vec::with_capacity(STATIONS);
    for (area, count) in AREAS.iter().zip(share(STATIONS)) {
        let [south, north, west, east] = area.bounds;
        for number in 1..=count {
            stations.push(StationRecord {
                code: format!("{}-{number:02}", area.slug),
                name_zh: format!("样例·{} {number:02} 号驿站", area.zh),
                name_en: format!("Sample {} station {number:02}", area.en),
                district: area.district.into(),
                latitude_e6: random.random_range(south..=north),
                longitude_e6: random.random_range(west..=east),
                // The first city's authority permits the pilot, so the sample shows it.
                encounter_lanes: vec![
                    EncounterLane::FollowUpWithEvidence,
                    EncounterLane::MinorAilmentPilot,
                    EncounterLane::ConsultationOnly,
                ],
            });
        }
    }
    stations
}
