import { Inject, Injectable } from '@nestjs/common';
import { Gaxios } from 'gaxios';
import { z } from 'zod';
import { AuditLog } from '../../audit-log/audit-log.service.js';
import { CONFIG } from '../../common/config/config.module.js';
import type { Config } from '../../config/config.js';
import { ensure } from '../calls/ensure.js';
import { type GoogleCall, GoogleCalls } from '../calls/google-calls.js';
import { hasMarker } from '../calls/marker.js';
import { GoogleNotConfiguredError, GoogleRequestError } from '../google.errors.js';
import { MAX_RESPONSE_BYTES } from '../response-limit.js';
import { type Conversion, type ConversionFailure, faultsOf, toEvent } from './conversions.js';

/** Of the API. Google keeps each for about a year: https://developers.google.com/google-ads/api/docs/sunset-dates */
const VERSION = 'v26';

/** Google takes so many conversions in one request. */
const BATCH = 2_000;

/** An upload is sent so often at the most, each time without those that Google has found fault with. */
const MAX_ROUNDS = 5;

/** What Google answers when something that is to be removed is not there (any more). */
const GONE = ['RESOURCE_NOT_FOUND', 'OPERATION_NOT_PERMITTED_FOR_REMOVED_RESOURCE'];

const customers = z.object({ resourceNames: z.array(z.string()).default([]) });
const mutated = z.object({ results: z.array(z.object({ resourceName: z.string() })).min(1) });
const snippet = z.object({
  type: z.string(),
  pageFormat: z.string(),
  globalSiteTag: z.string(),
  eventSnippet: z.string(),
});
const conversionActions = z.object({
  results: z
    .array(
      z.object({
        conversionAction: z.object({
          resourceName: z.string(),
          name: z.string().optional(),
          category: z.string().optional(),
          status: z.string().optional(),
          tagSnippets: z.array(snippet.partial()).default([]),
        }),
      }),
    )
    .default([]),
});

type ConversionActionState = z.output<typeof conversionActions>['results'][number]['conversionAction'];

/** A condition of Google's query language, and the marker that the name must have. */
interface Condition {
  readonly where: string;
  readonly marker?: string;
}

/** One operation of `conversionActions:mutate`. */
type Mutation =
  | { readonly create: object }
  | { readonly update: { readonly resourceName: string }; readonly updateMask: string }
  | { readonly remove: string };

/** What a conversion is, in Google's words. */
export const CONVERSION_CATEGORIES = [
  'PURCHASE',
  'SIGNUP',
  'PAGE_VIEW',
  'PHONE_CALL_LEAD',
  'SUBMIT_LEAD_FORM',
  'BOOK_APPOINTMENT',
  'REQUEST_QUOTE',
  'CONTACT',
  'DEFAULT',
] as const;

export type ConversionCategory = (typeof CONVERSION_CATEGORIES)[number];

export interface AdsCustomer {
  /** Ten digits. */
  readonly customerId: string;
  readonly resourceName: string;
}

export interface ConversionAction {
  readonly resourceName: string;
  readonly id: string;
}

export interface ConversionActionSpec {
  readonly name: string;
  readonly category: ConversionCategory;
  /** HIDDEN: it counts nothing, and can be enabled again. ENABLED unless stated. */
  readonly status?: 'ENABLED' | 'HIDDEN';
}

/** Finds an action that people may have renamed: by its resource name, if known, else by the marker in its name. */
export interface ConversionActionIdentity {
  readonly resourceName?: string | undefined;
  readonly marker: string;
}

/** What goes into a web site: the first once into each page, the second where the conversion happens. */
export interface TagSnippet {
  readonly globalSiteTag: string;
  readonly eventSnippet: string;
}

export interface UploadResult {
  readonly accepted: number;
  readonly failures: readonly ConversionFailure[];
}

/**
 * Google Ads, by its REST interface and Google's own HTTP client. Google has no client library of the API for Node; the one
 * that there is takes no access token, but the user's refresh token for itself, and 130 MB of disk.
 *
 * Conversions go through the Data Manager API: that of Google Ads has taken no new users for them since June 2026.
 *
 * Every method throws ConnectionNotFoundError, ReconnectRequiredError, GoogleNotConfiguredError, GoogleQuotaError,
 * GoogleUnavailableError and GoogleRequestError.
 */
@Injectable()
export class AdsService {
  private readonly http = new Gaxios({ maxContentLength: MAX_RESPONSE_BYTES });

  constructor(
    private readonly calls: GoogleCalls,
    private readonly audit: AuditLog,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** The accounts that the user may act for. */
  async listAccessibleCustomers(connectionId: string): Promise<AdsCustomer[]> {
    const call = {
      api: 'ads',
      method: 'customers.listAccessibleCustomers',
      connectionId,
      isRepeatable: true,
    } as const;
    const { resourceNames } = customers.parse(await this.request(call, 'customers:listAccessibleCustomers'));
    return resourceNames.map((resourceName) => ({ resourceName, customerId: idOf(resourceName) }));
  }

  /** Creates an action that a tag on a web site reports, or changes the one that there is where it differs. */
  async ensureConversionAction(
    connectionId: string,
    customerId: string,
    { status = 'ENABLED', ...spec }: ConversionActionSpec,
    identity?: ConversionActionIdentity,
  ): Promise<ConversionAction> {
    const wanted = { ...spec, status };
    const { resourceName, ...found } = await ensure<ConversionActionState>(
      () => this.findConversionAction(connectionId, customerId, namedBy(spec.name, identity)),
      async () => {
        const create = { ...wanted, type: 'WEBPAGE' };
        return {
          ...wanted,
          tagSnippets: [],
          resourceName: await this.mutateConversionAction(connectionId, customerId, { create }),
        };
      },
    );
    if (found.name !== wanted.name || found.category !== wanted.category || found.status !== wanted.status) {
      const update = { resourceName, ...wanted };
      const updateMask = Object.keys(wanted).join(',');
      await this.mutateConversionAction(connectionId, customerId, { update, updateMask });
    }
    return { resourceName, id: idOf(resourceName) };
  }

  async getTagSnippet(
    connectionId: string,
    customerId: string,
    conversionActionId: string,
  ): Promise<TagSnippet> {
    const where = `conversion_action.id = ${BigInt(conversionActionId)}`;
    const action = await this.findConversionAction(connectionId, customerId, [{ where }]);
    const found = action?.tagSnippets.find(
      ({ type, pageFormat }) => type === 'WEBPAGE' && pageFormat === 'HTML',
    );
    if (found === undefined) {
      throw new GoogleRequestError({
        status: 404,
        reason: 'RESOURCE_NOT_FOUND',
        explanation: 'there is no such conversion action, or no tag for it',
      });
    }
    const { globalSiteTag, eventSnippet } = snippet.parse(found);
    return { globalSiteTag, eventSnippet };
  }

  /**
   * Reports conversions. Those that Google finds fault with are left out and told; the others are accepted. Sent again they
   * are not counted again, since their `transactionId` is the same: after an error, upload all of them again.
   */
  async uploadConversions(
    connectionId: string,
    customerId: string,
    conversions: readonly Conversion[],
  ): Promise<UploadResult> {
    const numbered = conversions.map((conversion, index) => ({ conversion, index }));
    const byAction = Map.groupBy(numbered, ({ conversion }) => conversion.conversionActionId);
    const failures: ConversionFailure[] = [];
    for (const [conversionActionId, items] of byAction) {
      for (let start = 0; start < items.length; start += BATCH) {
        const batch = items.slice(start, start + BATCH);
        failures.push(...(await this.ingest(connectionId, { customerId, conversionActionId }, batch)));
      }
    }
    failures.sort((one, other) => one.index - other.index);
    const accepted = conversions.length - failures.length;
    await this.audit.record('conversions.uploaded', connectionId, { accepted, refused: failures.length });
    return { accepted, failures };
  }

  /** Removes an action for good: Google never enables it again. Succeeds if there is none. */
  async removeConversionAction(
    connectionId: string,
    customerId: string,
    identity: ConversionActionIdentity,
  ): Promise<void> {
    const found = await this.findConversionAction(connectionId, customerId, namedBy('', identity));
    if (found === undefined) return;
    try {
      await this.mutateConversionAction(connectionId, customerId, { remove: found.resourceName });
    } catch (error) {
      if (!(error instanceof GoogleRequestError) || !GONE.includes(error.reason)) throw error;
    }
  }

  /** @returns what Google has found fault with. It takes all of a request or none, so what is left is sent again. */
  private async ingest(
    connectionId: string,
    destination: { readonly customerId: string; readonly conversionActionId: string },
    items: readonly { readonly conversion: Conversion; readonly index: number }[],
    round = 1,
  ): Promise<ConversionFailure[]> {
    const call = { api: 'data-manager', method: 'events.ingest', connectionId, isRepeatable: true } as const;
    const login = this.config.GOOGLE_ADS_LOGIN_CUSTOMER_ID;
    const data = {
      destinations: [
        {
          operatingAccount: { accountType: 'GOOGLE_ADS', accountId: destination.customerId },
          ...(login !== undefined && { loginAccount: { accountType: 'GOOGLE_ADS', accountId: login } }),
          productDestinationId: destination.conversionActionId,
        },
      ],
      events: items.map(({ conversion }) => toEvent(conversion)),
    };
    try {
      await this.calls.run(call, ({ headers, signal }) =>
        this.http.request({
          url: `${this.config.GOOGLE_BASE_URL ?? 'https://datamanager.googleapis.com'}/v1/events:ingest`,
          method: 'POST',
          data,
          headers,
          signal,
          retry: false,
        }),
      );
      return [];
    } catch (error) {
      const faults = error instanceof GoogleRequestError ? faultsOf(error) : new Map();
      if (faults.size === 0 || round === MAX_ROUNDS) throw error;
      const failures = items.flatMap(({ index }, position) => {
        const fault = faults.get(position);
        return fault === undefined ? [] : [{ index, ...fault }];
      });
      const rest = items.filter((_item, position) => !faults.has(position));
      if (rest.length === 0) return failures;
      return [...failures, ...(await this.ingest(connectionId, destination, rest, round + 1))];
    }
  }

  /** @param conditions the first that an action fulfills counts: Google's query language has no OR */
  private async findConversionAction(
    connectionId: string,
    customerId: string,
    conditions: readonly Condition[],
  ) {
    const call = { api: 'ads', method: 'googleAds.search', connectionId, isRepeatable: true } as const;
    for (const { where, marker } of conditions) {
      const query =
        'SELECT conversion_action.resource_name, conversion_action.name, conversion_action.category, ' +
        'conversion_action.status, conversion_action.tag_snippets ' +
        `FROM conversion_action WHERE ${where}`;
      const found = await this.request(call, `customers/${customerId}/googleAds:search`, { query });
      const actions = conversionActions.parse(found).results.map((result) => result.conversionAction);
      const action = actions.find(({ name }) => marker === undefined || hasMarker(name, marker));
      if (action !== undefined) return action;
    }
    return undefined;
  }

  /** @returns the name of what was changed */
  private async mutateConversionAction(
    connectionId: string,
    customerId: string,
    operation: Mutation,
  ): Promise<string> {
    const isRepeatable = !('create' in operation);
    const call = { api: 'ads', method: 'conversionActions.mutate', connectionId, isRepeatable } as const;
    const path = `customers/${customerId}/conversionActions:mutate`;
    const { results } = mutated.parse(await this.request(call, path, { operations: [operation] }));
    return results[0]?.resourceName ?? '';
  }

  /** @param data what is posted; without it, it is a GET */
  private async request(call: GoogleCall, path: string, data?: object): Promise<unknown> {
    const { GOOGLE_BASE_URL, GOOGLE_ADS_DEVELOPER_TOKEN, GOOGLE_ADS_LOGIN_CUSTOMER_ID } = this.config;
    if (GOOGLE_ADS_DEVELOPER_TOKEN === undefined) {
      throw new GoogleNotConfiguredError('GOOGLE_ADS_DEVELOPER_TOKEN');
    }
    const own = {
      'developer-token': GOOGLE_ADS_DEVELOPER_TOKEN,
      ...(GOOGLE_ADS_LOGIN_CUSTOMER_ID && { 'login-customer-id': GOOGLE_ADS_LOGIN_CUSTOMER_ID }),
    };
    const { data: answer } = await this.calls.run(call, ({ headers, signal }) =>
      this.http.request<unknown>({
        url: `${GOOGLE_BASE_URL ?? 'https://googleads.googleapis.com'}/${VERSION}/${path}`,
        method: data === undefined ? 'GET' : 'POST',
        data,
        headers: { ...own, ...headers },
        signal,
        // GoogleCalls repeats what may be repeated.
        retry: false,
      }),
    );
    return answer;
  }
}

/** The conditions that find an action which was not removed. */
function namedBy(name: string, identity?: ConversionActionIdentity): Condition[] {
  const there = "conversion_action.status != 'REMOVED'";
  if (identity === undefined) return [{ where: `conversion_action.name = ${quoted(name)} AND ${there}` }];
  const { resourceName, marker } = identity;
  return [
    ...(resourceName === undefined
      ? []
      : [{ where: `conversion_action.id = ${BigInt(idOf(resourceName))} AND ${there}` }]),
    { where: `conversion_action.name LIKE ${quoted(`%${marker}%`)} AND ${there}`, marker },
  ];
}

/** `customers/1/conversionActions/2` is 2. */
function idOf(resourceName: string): string {
  return resourceName.slice(resourceName.lastIndexOf('/') + 1);
}

/** A string of Google's query language. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
