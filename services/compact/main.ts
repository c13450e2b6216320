// `mnemo compact`: the first of its threads starts while the service's own modules are loaded, which takes as long.
// Owns nothing: flags, rounds and exit status are service.ts's.
import { CompactorThreads } from './threads.ts'

export async function main(argv: string[]): Promise<void> {
  const threads = new CompactorThreads()
  const { compact } = await import('./service.ts')
  await compact(argv, threads)
}
