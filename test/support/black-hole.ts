// An address at which nothing answers, not even to refuse: what connects to it waits, as where packets vanish on their way.
// A thread listens and never accepts; once its queue is full the kernel drops what else asks for a connection.
// Owns the thread and the connections that fill its queue, until `close`.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

const listenAndSleep = `
  const { parentPort, workerData } = require('node:worker_threads')
  require('node:net').createServer().listen({ ...workerData, backlog: 1 }, () => {
    parentPort.postMessage('listening')
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
  })`

/** Resolves once connections to it hang. */
export async function openBlackHole(host: string, port: number): Promise<{ close(): Promise<void> }> {
  const thread = new Worker(listenAndSleep, { eval: true, workerData: { host, port } })
  await once(thread, 'message')
  const fillers: Socket[] = []
  for (let isOpen = true; isOpen; ) {
    const filler = connect(port, host).on('error', () => {})
    fillers.push(filler)
    isOpen = await once(filler, 'connect', { signal: AbortSignal.timeout(500) }).then(
      () => true,
      () => false,
    )
  }
  return {
    close: async () => {
      for (const filler of fillers) filler.destroy()
      await thread.terminate()
    },
  }
}
