<?php

namespace Acme\Money;

function round(float $value): float
{
    return \round($value, 2);
}
