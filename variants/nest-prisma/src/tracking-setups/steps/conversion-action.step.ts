import { Injectable } from '@nestjs/common';
import type { TrackingKind } from '../../generated/prisma/enums.js';
import { AdsService, type ConversionCategory } from '../../google/ads/ads.service.js';
import { GoogleRequestError } from '../../google/google.errors.js';
import {
  googleName,
  type Resources,
  type SetupStepHandler,
  type StepContext,
  type Target,
} from './setup-step.js';

const CATEGORIES: Readonly<Record<TrackingKind, ConversionCategory>> = {
  PAGE_VIEW: 'PAGE_VIEW',
  FORM_SUBMISSION: 'SUBMIT_LEAD_FORM',
  BUTTON_CLICK: 'DEFAULT',
  PHONE_CALL: 'PHONE_CALL_LEAD',
  PURCHASE: 'PURCHASE',
};

/** The conversion action in Google Ads, and what a tag has to send to be counted there. */
@Injectable()
export class ConversionActionStep implements SetupStepHandler {
  readonly step = 'CONVERSION_ACTION';

  constructor(private readonly ads: AdsService) {}

  async run(context: StepContext): Promise<Resources> {
    return this.bring(context, context.after);
  }

  async undo(context: StepContext): Promise<void> {
    try {
      await this.bring(context, context.before);
    } catch (error) {
      // A setup that Google refuses has made nothing, and nothing is left to remove.
      const isMade = context.made(this.step).conversionAction !== undefined;
      if (isMade || context.before !== undefined || !(error instanceof GoogleRequestError)) throw error;
    }
  }

  private async bring(context: StepContext, wanted: Target | undefined): Promise<Resources> {
    const { connectionId, adsCustomerId: customerId, trackingId: marker } = context.setup;
    if (customerId === null) return {}; // set up before the service had Google Ads
    const known = context.made(this.step);
    const identity = { resourceName: known.conversionAction, marker };
    if (wanted === undefined) {
      await this.ads.removeConversionAction(connectionId, customerId, identity);
      return {};
    }
    const { resourceName, id } = await this.ads.ensureConversionAction(
      connectionId,
      customerId,
      {
        name: googleName(wanted),
        category: CATEGORIES[wanted.kind],
        status: wanted.isPaused ? 'HIDDEN' : 'ENABLED',
      },
      identity,
    );
    if (resourceName === known.conversionAction && known.conversionLabel !== undefined) return known;
    const made = { conversionAction: resourceName };
    await context.note(made);
    const snippet = await this.ads.getTagSnippet(connectionId, customerId, id);
    const resources = { ...made, ...conversionOf(snippet.eventSnippet) };
    await context.note(resources);
    return resources;
  }
}

/** Google gives them inside of a script only: 'send_to': 'AW-123456/AbCdEf' */
function conversionOf(eventSnippet: string): { conversionId: string; conversionLabel: string } {
  const [, conversionId, conversionLabel] = /AW-(\d+)\/([\w-]+)/.exec(eventSnippet) ?? [];
  if (conversionId === undefined || conversionLabel === undefined) {
    throw new Error('the tag snippet of the conversion action has no AW-<id>/<label>');
  }
  return { conversionId, conversionLabel };
}
