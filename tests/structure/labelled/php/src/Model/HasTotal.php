<?php

namespace Acme\Shop\Model;

use Acme\Money\Amount;

interface HasTotal
{
    public function total(): Amount;
}
