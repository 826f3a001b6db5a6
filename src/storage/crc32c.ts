/** CRC-32C (Castagnoli), the checksum in LevelDB's files; Node.js has none. */

const POLYNOMIAL = 0x82f63b78;
/** Bytes that are taken at a time. */
const WIDTH = 8;
const TABLES = makeTables();

/** `TABLES[256 × k + b]`: what byte b adds to the checksum when k bytes follow it. */
function makeTables(): Int32Array {
  const tables = new Int32Array(WIDTH * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at += 1) {
    const before = tables[at - 256] as number;
    tables[at] = (before >>> 8) ^ (tables[before & 255] as number);
  }
  return tables;
}

/** The checksum of the bytes, an unsigned number of 32 bits. */
export function crc32c(bytes: Buffer): number {
  const tables = TABLES;
  let crc = -1;
  let at = 0;
  for (; at + WIDTH <= bytes.length; at += WIDTH) {
    const low = crc ^ bytes.readInt32LE(at);
    const high = bytes.readInt32LE(at + 4);
    crc =
      (tables[1792 + (low & 255)] as number) ^
      (tables[1536 + ((low >>> 8) & 255)] as number) ^
      (tables[1280 + ((low >>> 16) & 255)] as number) ^
      (tables[1024 + (low >>> 24)] as number) ^
      (tables[768 + (high & 255)] as number) ^
      (tables[512 + ((high >>> 8) & 255)] as number) ^
      (tables[256 + ((high >>> 16) & 255)] as number) ^
      (tables[high >>> 24] as number);
  }
  for (; at < bytes.length; at += 1) {
    crc = (crc >>> 8) ^ (tables[(crc ^ (bytes[at] as number)) & 255] as number);
  }
  return ~crc >>> 0;
}

/** As LevelDB stores it: so that the checksum of bytes which hold checksums is a good one. */
export function maskedCrc32c(bytes: Buffer): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
