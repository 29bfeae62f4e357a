import type { ApiRequest, Reply } from './fake-google.js';

/** The only one that it takes. */
const DEVELOPER_TOKEN = 'canary-developer-token'; // pragma: allowlist secret

interface ConversionAction {
  readonly resourceName: string;
  readonly id: string;
  readonly name: string;
  readonly category: string;
  readonly status: string;
}

type Operation = {
  readonly create?: Partial<ConversionAction>;
  readonly update?: Partial<ConversionAction>;
  readonly updateMask?: string;
  readonly remove?: string;
};

interface DataManagerEvent {
  readonly transactionId: string;
  readonly adIdentifiers: Record<string, string>;
  readonly conversionValue?: number;
}

/** Google Ads' API and, for conversions, the Data Manager's. */
export class FakeAds {
  readonly customers = ['1234567890'];
  /** By their resource names, without those that were removed. */
  readonly conversionActions = new Map<string, ConversionAction>();
  /** Conversions that count, by conversion action and transaction. */
  readonly conversions = new Map<string, DataManagerEvent>();
  /** Clicks that Google does not know. */
  readonly unknownClicks = new Set<string>();
  /** Google keeps them, and refuses every change of them. */
  private readonly removed = new Set<string>();
  private nextId = 9_007_199_254_740_993n;

  respond(request: ApiRequest): Reply {
    const { path, headers, body } = request;
    if (path === '/v1/events:ingest') return this.ingest(body);
    if (headers['developer-token'] !== DEVELOPER_TOKEN) {
      return refuse(401, 'authenticationError', 'DEVELOPER_TOKEN_MISSING');
    }
    if (path.endsWith('/customers:listAccessibleCustomers')) {
      return { status: 200, body: { resourceNames: this.customers.map((id) => `customers/${id}`) } };
    }
    const customer = /\/customers\/(\d+)\//.exec(path)?.[1] ?? '';
    if (!this.customers.includes(customer))
      return refuse(403, 'authorizationError', 'USER_PERMISSION_DENIED');
    if (path.endsWith('/googleAds:search')) return this.search(body.query);
    if (path.endsWith('/conversionActions:mutate')) return this.mutate(customer, body.operations);
    return { status: 404 };
  }

  private search(query: string): Reply {
    const id = /conversion_action\.id = (\d+)/.exec(query)?.[1];
    const name = /conversion_action\.name = '((?:[^'\\]|\\.)*)'/.exec(query)?.[1]?.replace(/\\(.)/g, '$1');
    const like = /conversion_action\.name LIKE '%([^%]*)%'/.exec(query)?.[1];
    const results = [...this.conversionActions.values()]
      .filter(
        (action) =>
          action.id === id || action.name === name || (like !== undefined && action.name.includes(like)),
      )
      .map(({ id: own, ...members }) => ({
        conversionAction: {
          ...members,
          tagSnippets: [
            { type: 'WEBPAGE', pageFormat: 'AMP', globalSiteTag: '<amp>', eventSnippet: '<amp>' },
            {
              type: 'WEBPAGE',
              pageFormat: 'HTML',
              globalSiteTag: '<script>gtag()</script>',
              eventSnippet: `<script>gtag('event', 'conversion', {'send_to': 'AW-1/${own}'})</script>`,
            },
          ],
        },
      }));
    return { status: 200, body: results.length === 0 ? {} : { results } };
  }

  private mutate(customer: string, [operation]: [Operation]): Reply {
    const { create, update, updateMask = '', remove } = operation;
    const target = remove ?? update?.resourceName;
    if (target !== undefined && this.removed.has(target))
      return refuse(400, 'contextError', 'OPERATION_NOT_PERMITTED_FOR_REMOVED_RESOURCE');
    const found = this.conversionActions.get(target ?? '');
    if (target !== undefined && found === undefined) return refuse(400, 'mutateError', 'RESOURCE_NOT_FOUND');
    if (remove !== undefined) {
      this.removed.add(remove);
      this.conversionActions.delete(remove);
      return { status: 200, body: { results: [{ resourceName: remove }] } };
    }
    const { name = '' } = create ?? update ?? {};
    const others = [...this.conversionActions.values()].filter((action) => action !== found);
    if (others.some((action) => action.name === name))
      return refuse(400, 'conversionActionError', 'DUPLICATE_NAME');
    const id = found?.id ?? String(this.nextId++);
    const resourceName = found?.resourceName ?? `customers/${customer}/conversionActions/${id}`;
    // An update changes what its mask names, and nothing else.
    const changes = Object.fromEntries(
      Object.entries(update ?? {}).filter(([member]) => updateMask.split(',').includes(member)),
    );
    const { category = '', status = 'ENABLED' } = create ?? {};
    const action = { name, category, status, ...found, ...changes, resourceName, id };
    this.conversionActions.set(resourceName, action);
    return { status: 200, body: { results: [{ resourceName }] } };
  }

  /** All of them, or none. */
  private ingest(body: {
    destinations: [{ productDestinationId: string }];
    events: DataManagerEvent[];
  }): Reply {
    const fieldViolations = body.events.flatMap(({ adIdentifiers }, index) =>
      this.unknownClicks.has(adIdentifiers.gclid ?? '')
        ? [
            {
              field: `events.events[${index}].ad_identifiers.gclid`,
              description: 'No such click.',
              reason: 'INVALID_GCLID',
            },
          ]
        : [],
    );
    if (fieldViolations.length > 0) {
      const details = [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations }];
      const message = 'There was a problem with the request.';
      return { status: 400, body: { error: { code: 400, message, status: 'INVALID_ARGUMENT', details } } };
    }
    const [{ productDestinationId: action }] = body.destinations;
    for (const event of body.events) this.conversions.set(`${action} ${event.transactionId}`, event);
    return { status: 200, body: { requestId: 'r1' } };
  }
}

/** As Google Ads fails. */
function refuse(status: number, kind: string, code: string): Reply {
  const type = 'type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure';
  const details = [{ '@type': type, errors: [{ errorCode: { [kind]: code }, message: code }] }];
  return { status, body: { error: { code: status, message: 'Request failed.', status: 'FAILED', details } } };
}
