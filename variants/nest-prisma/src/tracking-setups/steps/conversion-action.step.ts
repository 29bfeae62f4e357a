import { Injectable } from '@nestjs/common';
import type { TrackingKind } from '../../generated/prisma/enums.js';
import { AdsService, type ConversionCategory } from '../../google/ads/ads.service.js';
import { GoogleRequestError } from '../../google/google.errors.js';
import { type Resources, type SetupStepHandler, type StepContext } from './setup-step.js';

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
    const { setup } = context;
    const action = await this.ensure(context);
    const made = { conversionAction: action.resourceName };
    await context.note(made);
    const snippet = await this.ads.getTagSnippet(setup.connectionId, setup.adsCustomerId ?? '', action.id);
    return { ...made, ...conversionOf(snippet.eventSnippet) };
  }

  async undo(context: StepContext): Promise<void> {
    const { setup, made } = context;
    // Where the answer was lost there may be one all the same, by this name; where Google refuses, there is none.
    const resourceName =
      made(this.step).conversionAction ??
      (
        await this.ensure(context).catch((error) => {
          if (error instanceof GoogleRequestError) return undefined;
          throw error;
        })
      )?.resourceName;
    if (resourceName === undefined) return;
    await this.ads.removeConversionAction(setup.connectionId, setup.adsCustomerId ?? '', resourceName);
  }

  private async ensure({ setup, tracking, name }: StepContext) {
    return this.ads.ensureConversionAction(setup.connectionId, setup.adsCustomerId ?? '', {
      name,
      category: CATEGORIES[tracking.kind],
    });
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
