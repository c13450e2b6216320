// The main thread's connections to the stores: Info goes over them, and what a querier above this one asks.
// (Queries of our own go over those of the workers.)
// Owns them until each is closed by the endpoint set.
import type { Interceptor } from '@grpc/grpc-js'
import { MnemoError } from '../../lib/kit/errors.ts'
import { createStoreClient, type StoreClient } from '../../lib/storeapi/client.ts'
import type { EndpointConnection, EndpointTarget } from '../../lib/storeapi/endpoint-set.ts'

export class Connections {
  readonly #open = new Map<string, StoreClient>()
  readonly #interceptors: readonly Interceptor[]

  /** `interceptors` see each call of every connection. */
  constructor(interceptors: readonly Interceptor[] = []) {
    this.#interceptors = interceptors
  }

  /** A new connection to a target; whoever asked for it closes it. */
  open({ address, tls }: EndpointTarget): Required<EndpointConnection> {
    const client = createStoreClient(address, { ...(tls && { tls }), interceptors: this.#interceptors })
    this.#open.set(address, client)
    return {
      info: (signal) => client.info(signal),
      close: () => {
        // There may be another one by now, made in another way.
        if (this.#open.get(address) === client) this.#open.delete(address)
        client.close()
      },
    }
  }

  /** The connection of an endpoint that is in the set. Throws `unavailable` where there is none, or none any more. */
  of({ address }: { readonly address: string }): Omit<StoreClient, 'close'> {
    const client = this.#open.get(address)
    if (client === undefined) throw new MnemoError('unavailable', `cannot ask ${address}: it is not connected to`)
    return client
  }
}
