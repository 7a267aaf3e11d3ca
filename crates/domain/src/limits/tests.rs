use super::*;

fn limits(networks: &[&str]) -> Limits {
    Limits {
        allowed_networks: parse_networks(networks).expect("networks"),
        ..Limits::default()
    }
}

fn allows(networks: &[&str], address: &str) -> bool {
    let address = address.parse().expect("an address");
    limits(networks).check_address(address).is_ok()
}

#[test]
fn a_publish_comes_from_an_allowed_network_or_not_at_all() {
    let office = ["192.0.2.0/24", "2001:db8::/32"];
    assert!(allows(&office, "192.0.2.255"));
    assert!(allows(&office, "2001:db8:ffff::1"));
    // A socket that takes both kinds spells IPv4 like this.
    assert!(allows(&office, "::ffff:192.0.2.7"));
    assert!(!allows(&office, "192.0.3.0"));
    assert!(!allows(&office, "2001:db9::1"));
    assert!(allows(&["198.51.100.7"], "198.51.100.7"));
    assert!(!allows(&["198.51.100.7"], "198.51.100.8"));
    assert!(!allows(&["0.0.0.0/0"], "2001:db8::1"));
    assert!(allows(&[], "203.0.113.1"));
}

#[test]
fn networks_are_kept_as_they_are_compared() {
    let kept = |text: &str| limits(&[text]).allowed_networks[0].to_string();
    assert_eq!(kept(" 10.1.2.3/8 "), "10.0.0.0/8");
    assert_eq!(kept("198.51.100.7"), "198.51.100.7/32");
    assert_eq!(kept("2001:db8::1"), "2001:db8::1/128");
    assert_eq!(kept("::ffff:10.0.0.0/104"), "10.0.0.0/8");
    assert_eq!(kept("::/0"), "::/0");
}

#[test]
fn what_is_no_network_or_too_many_is_refused() {
    let refused = Err(InvalidSetting::AllowedNetworks);
    for text in [
        "",
        "office",
        "10.0.0.0/33",
        "10.0.0/8",
        "10.0.0.0/8,10.1.0.0/16",
        "::1/129",
    ] {
        assert_eq!(parse_networks(&[text]), refused, "{text}");
    }
    assert!(parse_networks(&["10.0.0.0/8"; MAX_NETWORKS]).is_ok());
    assert_eq!(parse_networks(&["10.0.0.0/8"; MAX_NETWORKS + 1]), refused);
}

#[test]
fn a_bitrate_and_a_resolution_are_within_bounds() {
    assert_eq!(parse_bitrate(6_000), Ok(6_000));
    for kbps in [0, 99, 200_001] {
        assert_eq!(parse_bitrate(kbps), Err(InvalidSetting::MaximumBitrate));
    }
    let full_hd = Resolution {
        width: 1_920,
        height: 1_080,
    };
    assert_eq!(parse_resolution(" 1920x1080 "), Ok(full_hd));
    for text in [
        "",
        "1080",
        "1080p",
        "0x0",
        "15x1080",
        "1920x16385",
        "1920x1080x3",
    ] {
        let refused = Err(InvalidSetting::MaximumResolution);
        assert_eq!(parse_resolution(text), refused, "{text}");
    }
}

#[test]
fn a_picture_that_is_turned_is_as_large_as_before() {
    let limits = Limits {
        maximum_resolution: Resolution::parse("1920x1080"),
        ..Limits::default()
    };
    let fits = |text| {
        let sent = Resolution::parse(text).expect("a resolution");
        limits.check_resolution(sent).is_ok()
    };
    for sent in ["1920x1080", "1080x1920", "640x360", "1080x1080"] {
        assert!(fits(sent), "{sent}");
    }
    for sent in ["1921x1080", "1200x1200", "1080x1921", "3840x2160"] {
        assert!(!fits(sent), "{sent}");
    }
    let none = Limits::default();
    assert!(
        none.check_resolution(Resolution::parse("16384x16384").expect("one"))
            .is_ok()
    );
}

/// What each second of a stream that sends so many kbit/s is answered.
fn seconds(kbps: &[u32], maximum: u32) -> Vec<Result<(), Exceeded>> {
    let mut window = BitrateWindow::default();
    let mut media_bytes = 0;
    let readings = kbps.iter().enumerate().map(|(second, kbps)| {
        media_bytes += u64::from(*kbps) * 1_000 / 8;
        Reading {
            at_millis: 5_000 + second as u64 * 1_000,
            media_bytes,
            ..Reading::default()
        }
    });
    let readings: Vec<_> = readings.collect();
    readings
        .into_iter()
        .map(|reading| window.take(reading, maximum))
        .collect()
}

#[test]
fn a_bitrate_is_over_when_ten_seconds_of_it_are() {
    let answers = seconds(&[7_000; 12], 6_000);
    assert_eq!(answers[..10], vec![Ok(()); 10]);
    let over = Exceeded::Bitrate {
        allowed: 6_000,
        sent: 7_000,
    };
    assert_eq!(answers[10], Err(over));
}

#[test]
fn a_bitrate_that_is_over_by_a_tenth_or_for_a_moment_is_not_over() {
    assert!(seconds(&[6_600; 60], 6_000).iter().all(Result::is_ok));
    assert!(seconds(&[6_601; 60], 6_000).iter().any(Result::is_err));
    let mut bursts = vec![5_000; 60];
    for second in (5..60).step_by(10) {
        bursts[second] = 20_000;
    }
    assert!(seconds(&bursts, 6_000).iter().all(Result::is_ok));
}

#[test]
fn readings_that_come_all_the_time_are_not_kept() {
    let mut window = BitrateWindow::default();
    for at_millis in 0..100_000 {
        let reading = Reading {
            at_millis,
            ..Reading::default()
        };
        assert_eq!(window.take(reading, 1_000), Ok(()));
    }
    assert!(window.readings.len() <= 21, "{}", window.readings.len());
}

#[test]
fn the_owner_reads_what_was_sent_what_is_allowed_and_what_to_change() {
    let networks = [
        "10.0.0.0/8",
        "192.0.2.0/24",
        "2001:db8::/32",
        "::1",
        "198.51.100.7",
    ];
    let refused = limits(&networks).check_address("203.0.113.9".parse().expect("an address"));
    let refused = refused.expect_err("from elsewhere");
    assert_eq!(
        refused.advice(),
        "203.0.113.9 is in none of the networks that this channel allows (10.0.0.0/8, \
         192.0.2.0/24, 2001:db8::/32, ::1/128 and 1 more). Publish from one of them, or change \
         the channel's allowed networks."
    );
    assert_eq!(
        refused.to_string(),
        "203.0.113.9 is in none of the networks that this channel allows"
    );
    let bitrate = Exceeded::Bitrate {
        allowed: 6_000,
        sent: 9_000,
    };
    assert_eq!(
        bitrate.advice(),
        "Bitrate 9000 kbit/s is over this channel's maximum of 6000 kbit/s. Lower the bitrate in \
         your encoder; in OBS: Settings > Output."
    );
}
