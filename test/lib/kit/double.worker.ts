// The worker of workers.test.ts.
import { type MessagePort, workerData } from 'node:worker_threads'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { Moved, postEvent, serveWorker } from '../../../lib/kit/workers.ts'
import type { Answer, Order } from './workers.test.ts'

const notices: unknown[] = []

async function* count(order: Extract<Order, { kind: 'count' }>, signal: AbortSignal): AsyncGenerator<Moved<Answer>> {
  const seen = new Int32Array(order.seen)
  try {
    for (let value = 0; value < order.to; value++) {
      Atomics.store(seen, 0, value + 1)
      const bytes = Uint8Array.of(value).buffer
      yield new Moved({ value, bytes }, [bytes])
    }
    if (order.fails) throw new MnemoError('corrupt', 'cannot count on')
  } finally {
    Atomics.store(seen, 1, signal.aborted ? 2 : 1)
  }
}

async function answer(order: Order, signal: AbortSignal, canceled: () => boolean): Promise<Answer | Moved<Answer>> {
  switch (order.kind) {
    case 'double':
      return { value: order.value * 2, data: workerData }
    case 'fail':
      throw new MnemoError('corrupt', 'cannot read block', { cause: new Error('bad checksum') })
    case 'bug':
      throw new TypeError('x is not a function')
    case 'die':
      return process.exit(3)
    case 'crash':
      setTimeout(() => {
        throw new Error('outside of any handler')
      })
      return new Promise<Answer>(() => {})
    case 'wait': {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      new Int32Array(order.seen)[0] = 1
      return { value: 0 }
    }
    case 'spin': {
      while (!canceled()) Atomics.add(new Int32Array(order.seen), 0, 1)
      Atomics.store(new Int32Array(order.seen), 1, 1)
      return { value: 0 }
    }
    case 'move': {
      const bytes = new Uint8Array(order.bytes)
      return new Moved({ value: bytes.length, bytes: bytes.buffer }, [bytes.buffer])
    }
    case 'port':
      ;(workerData as { port: MessagePort }).port.postMessage('from a worker')
      return { value: 0 }
    case 'notices':
      postEvent({ asked: notices.length })
      return { value: notices.length, data: notices }
    default:
      throw new MnemoError('internal', `cannot answer: got ${order.kind}`)
  }
}

serveWorker<Order, Answer>(
  (order, signal, canceled) => (order.kind === 'count' ? count(order, signal) : answer(order, signal, canceled)),
  { onNotice: (notice) => notices.push(notice) },
)
