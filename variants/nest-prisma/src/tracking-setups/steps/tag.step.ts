import { Injectable } from '@nestjs/common';
import type { Tracking } from '../../generated/prisma/client.js';
import {
  TagManagerService,
  type TagSpec,
  type TriggerSpec,
} from '../../google/tag-manager/tag-manager.service.js';
import { needed, type Resources, type SetupStepHandler, type StepContext } from './setup-step.js';

/** The trigger that watches the visitor, and the tag that reports what they did. */
@Injectable()
export class TagStep implements SetupStepHandler {
  readonly step = 'TAG';

  constructor(private readonly tagManager: TagManagerService) {}

  async run(context: StepContext): Promise<Resources> {
    const { setup, tracking, name } = context;
    const workspace = needed(context, 'CONTAINER', 'workspacePath');
    const trigger = await this.tagManager.ensureTrigger(
      setup.connectionId,
      workspace,
      triggerFor(tracking, name),
    );
    await context.note({ triggerPath: trigger.path });
    const tag = await this.tagManager.ensureTag(setup.connectionId, workspace, {
      name,
      firingTriggerId: [trigger.id],
      ...tagFor(tracking, context.made('CONVERSION_ACTION')),
    });
    return { triggerPath: trigger.path, tagPath: tag.path };
  }

  /** They go with their workspace. */
  async undo(): Promise<void> {}
}

function triggerFor({ kind, selector }: Tracking, name: string): TriggerSpec {
  switch (kind) {
    case 'PAGE_VIEW':
      return { name, type: 'pageview' };
    case 'FORM_SUBMISSION':
      return { name, type: 'formSubmission', ...matching('{{Form Element}}', selector) };
    case 'BUTTON_CLICK':
      return { name, type: 'click', ...matching('{{Click Element}}', selector) };
    case 'PHONE_CALL':
      return { name, type: 'linkClick', ...matching('{{Click Element}}', selector ?? 'a[href^="tel:"]') };
    case 'PURCHASE':
      return {
        name,
        type: 'customEvent',
        customEventFilter: [condition('equals', '{{_event}}', 'purchase')],
      };
  }
}

function matching(element: string, selector: string | null) {
  return selector === null ? {} : { filter: [condition('cssSelector', element, selector)] };
}

function condition(type: string, one: string, other: string) {
  return {
    type,
    parameter: [
      { type: 'template', key: 'arg0', value: one },
      { type: 'template', key: 'arg1', value: other },
    ],
  };
}

/** Reports a conversion to Google Ads; where there is none, an event to the page's data layer. */
function tagFor({ id, kind }: Tracking, { conversionId, conversionLabel }: Resources): Omit<TagSpec, 'name'> {
  if (conversionId !== undefined && conversionLabel !== undefined) {
    return {
      type: 'awct',
      parameter: [
        { type: 'template', key: 'conversionId', value: conversionId },
        { type: 'template', key: 'conversionLabel', value: conversionLabel },
      ],
    };
  }
  const event = JSON.stringify({ event: 'tracking', trackingId: id, trackingKind: kind });
  return {
    type: 'html',
    parameter: [
      { type: 'template', key: 'html', value: `<script>window.dataLayer.push(${event});</script>` },
    ],
  };
}
