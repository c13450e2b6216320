// Memory that goes at once: the garbage collector comes late to large buffers, which weigh next to nothing on its heap.

/** Frees memory that is these bytes' alone; nothing of it is used any more. Other bytes stay as they are. */
export function freeBytes({ buffer, byteLength }: Uint8Array | Uint32Array): void {
  if (byteLength > 0 && buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
