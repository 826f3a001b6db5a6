/** No bytes at all: one for everybody, as there is nothing in it that could be changed. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);
