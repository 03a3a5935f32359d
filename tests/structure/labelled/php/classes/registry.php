<?php

namespace Acme\Shop\Legacy;

class Registry
{
    public static function set($name, $value)
    {
        Store::$values[$name] = $value;
    }
}

class Store
{
    public static $values = [];
}
