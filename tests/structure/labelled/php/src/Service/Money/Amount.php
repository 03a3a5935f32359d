<?php

namespace Acme\Shop\Service\Money;

/**
 * A decoy: another namespace than acme/money's.
 */
class Amount
{
}
