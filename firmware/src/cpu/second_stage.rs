//! What the RP2040's boot ROM runs before the program: code that sets up the memory chip, by the read command that every such chip has.

/// The boot ROM checks its last word, a CRC.
#[used]
#[unsafe(link_section = ".boot2")]
static SECOND_STAGE: [u8; 256] = rp2040_boot2::BOOT_LOADER_GENERIC_03H;
