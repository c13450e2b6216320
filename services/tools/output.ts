// Much text on standard output: written in pieces, as fast as it is taken.
// Where the reader has gone (`… | head`) the process ends, as it would by SIGPIPE.
// Owns the piece at hand until flush().
import { once } from 'node:events'

const pieceChars = 64 * 1024

export class Output {
  #piece = ''

  constructor() {
    process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  }

  async write(text: string): Promise<void> {
    this.#piece += text
    if (this.#piece.length >= pieceChars) await this.flush()
  }

  async flush(): Promise<void> {
    const piece = this.#piece
    this.#piece = ''
    if (!process.stdout.write(piece)) await once(process.stdout, 'drain')
  }
}

/** The text on standard output, all of it. */
export async function printAll(text: string): Promise<void> {
  const output = new Output()
  await output.write(text)
  await output.flush()
}
