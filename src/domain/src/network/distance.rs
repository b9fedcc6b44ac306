//! How far stations are from each other.

/// A place in millionths of a degree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub latitude_e6: i32,
    pub longitude_e6: i32,
}

/// Metres of one degree of a meridian, as the mean of the WGS 84 ellipsoid.
const METRES_PER_DEGREE: f64 = 111_195.0;

impl Place {
    /// How much shorter a degree of longitude is here than one of latitude.
    pub fn narrowing(self) -> f64 {
        (f64::from(self.latitude_e6) / 1e6).to_radians().cos()
    }

    /// Metres between two places, as on a plane: within 50 km that is right to a few metres.
    pub fn metres_to(self, other: Self) -> u32 {
        let degrees = |one: i32, other: i32| (f64::from(one) - f64::from(other)) / 1e6;
        let north = degrees(self.latitude_e6, other.latitude_e6);
        let east = degrees(self.longitude_e6, other.longitude_e6) * self.narrowing();
        // The whole Earth is less than 2^32 metres around.
        (north.hypot(east) * METRES_PER_DEGREE).round() as u32
    }

    /// The box around it whose sides are `metres` away: half its height and half its width, in millionths
    /// of a degree.
    pub fn reach_e6(self, metres: u32) -> (i32, i32) {
        let height = f64::from(metres) / METRES_PER_DEGREE * 1e6;
        (height.ceil() as i32, (height / self.narrowing().max(0.1)).ceil() as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_places_of_yantai_are_as_far_apart_as_a_haversine_says() {
        // 37.5486 N 121.3869 E and 37.5119 N 121.4450 E; a haversine gives 6,550 m.
        let (station, laishan) = (
            Place { latitude_e6: 37_548_600, longitude_e6: 121_386_900 },
            Place { latitude_e6: 37_511_900, longitude_e6: 121_445_000 },
        );
        let metres = station.metres_to(laishan);
        assert!((6_520..=6_590).contains(&metres), "{metres}");
        assert_eq!(station.metres_to(station), 0);
        let (height, width) = station.reach_e6(5_000);
        assert!((44_900..=45_100).contains(&height) && width > height, "{height} {width}");
    }
}
