<?php

namespace Acme\Shop\Tests;

use Acme\Shop\Model\Product;

class Factory
{
    public static function product(): Product
    {
        return new Product();
    }
}
